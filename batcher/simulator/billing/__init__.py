"""Computes what a request costs and uses: tokens, prompt cache, prices, rate limits, ledger."""
