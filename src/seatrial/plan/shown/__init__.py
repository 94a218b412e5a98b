"""A plan as text, as a schema, as a reference, and compiled."""
