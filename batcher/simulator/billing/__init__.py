"""What a request costs: its tokens, the prompt cache, the prices and the ledger."""
