"""Token usage, the price table, exact costs and the budget."""
