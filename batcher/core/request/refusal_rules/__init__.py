"""The rules behind ``refusals``, one small function a rule, grouped by what they look at."""
