"""Which rows of an output somebody wants to see: the choice, the sample and the names of rows."""
