"""What the API's structured output takes of JSON Schema (its documentation, October 2026)."""

FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""The formats of texts that it holds a model to."""

MOST_OPTIONAL = 24
"""How many properties may be optional, in all schemas of a request."""

MOST_UNIONS = 16
"""How many places may hold values of several types, in all of them."""
