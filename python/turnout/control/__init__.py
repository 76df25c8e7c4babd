"""The control API: what granian serves. Model traffic never comes here.

``app`` has the table of routes. One file per resource: ``index``, ``generation``, ``key``, ``reload``, ``config``.
``identity`` says who asks, ``refusal`` how they are refused, ``answer`` how they are answered.
"""
