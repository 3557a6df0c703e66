"""The second pass: requests through their attempts, paced and recorded."""
