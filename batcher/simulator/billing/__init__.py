"""What a request costs and uses up: tokens, prompt cache, prices, rate limits, ledger."""
