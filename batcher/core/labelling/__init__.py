"""Typed labels: from the user's schema to what is asked, and from answers to checked values."""
