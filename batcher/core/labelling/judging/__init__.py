"""How answers are held against the user's schema: found, spelt, judged, complained of."""
