"""Plans of which only a part is sent: a pilot, and the rows that failed."""
