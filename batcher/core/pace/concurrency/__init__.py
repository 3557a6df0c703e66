"""How many attempts may be in flight, and when none may."""
