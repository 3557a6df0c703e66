"""How answers are held against the user's schema: found, spelt, judged, and what is told of them."""
