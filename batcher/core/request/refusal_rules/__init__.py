"""The rules of ``refusals``: one small function per rule, grouped by what they check."""
