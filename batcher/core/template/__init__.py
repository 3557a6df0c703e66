"""Templates and expressions over a row's columns."""
