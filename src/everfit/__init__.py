"""Everfit keeps a deployed machine-learning model fresh by itself."""

__version__ = "0.1.0"
