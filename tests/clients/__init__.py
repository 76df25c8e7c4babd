"""Real clients, real models and an independent judge against ``turnout serve``, each as their users run them."""
