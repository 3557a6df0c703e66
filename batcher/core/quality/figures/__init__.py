"""The figures of labels: against gold, against chance, and against the last run."""
