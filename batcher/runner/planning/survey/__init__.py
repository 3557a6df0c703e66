"""The planning pass: every row of an input, what it asks for, and what there is to say of it."""
