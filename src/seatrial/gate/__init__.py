"""The gate: stands before an API server, counts every call that goes through it, and has some go wrong."""
