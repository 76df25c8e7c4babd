"""Configuration: what a person writes becomes what the plane reads.

``source`` (YAML with positions) → ``load`` (environment, shape) → ``model`` (pydantic) → ``compile`` (the only place
that knows both sides) → ``snapshot`` (complete, handed to the plane). Nothing raises on the first mistake: all of them
are gathered, each with its file, line and key.
"""
