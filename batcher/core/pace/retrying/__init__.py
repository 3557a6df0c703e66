"""What follows an attempt that failed in passing."""
