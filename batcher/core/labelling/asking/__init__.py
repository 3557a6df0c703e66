"""How typed labels are asked for: the user's schema as the API takes it."""
