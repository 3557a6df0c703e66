"""A batch job processor for large prompt datasets on the Anthropic Messages API."""

__version__ = "0.7.0"
