"""The tables of a record, and events and frames as their rows."""
