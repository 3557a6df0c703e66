"""A damaged checkpoint: mend a copy of it, read what can be read, and write that anew."""
