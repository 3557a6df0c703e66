"""What somebody has to agree to before anything is sent, or has agreed to with a saved plan."""
