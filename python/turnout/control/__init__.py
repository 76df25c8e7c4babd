"""The control API: what granian serves. Model traffic never comes here.

``app`` has the table of routes. One file per resource: ``index``, ``generation``, ``key``, ``models``, ``endpoints``,
``images``, ``providers``, ``reload``, ``config``. ``identity`` says who asks and ``client_api`` in which API,
``refusal`` how they are refused, ``answer`` how they are answered. ``listing`` and ``selection`` say which models a
list has; ``feed``, ``models_anthropic`` and ``models_gemini`` are its other shapes.
"""
