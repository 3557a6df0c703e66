"""How good labels are: against a gold column, against each other, and against the last run."""
