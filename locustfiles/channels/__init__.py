"""How commands go in: one module per channel."""
