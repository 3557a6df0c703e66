"""Message Batches: the decisions about them, and what the API says of them."""
