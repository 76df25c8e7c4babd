"""Tests; folders and names mirror ``python/turnout``."""
