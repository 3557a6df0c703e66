"""How good labels are: compared with gold labels, with each other, and with the last run."""
