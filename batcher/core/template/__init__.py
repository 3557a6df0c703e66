"""Templates and expressions over the columns of a row."""
