"""Sends a notice about a run to a webhook or to a program on this machine."""
