"""How answers are held against the user's schema: formats, spelling, and what is told of them."""
