"""``turnout serve`` as processes: killed, reloaded and replaced while clients keep asking."""
