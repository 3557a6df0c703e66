"""The JSON Schema for labels: read, checked, and adapted to what the API accepts."""
