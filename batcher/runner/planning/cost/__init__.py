"""What a plan is likely to cost and take, and the budget that it has."""
