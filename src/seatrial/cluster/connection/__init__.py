"""How an API server is reached: which one is meant, with what credentials, over which connections."""
