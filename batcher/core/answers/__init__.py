"""What an attempt brings back, what it says, and our verdict on it."""
