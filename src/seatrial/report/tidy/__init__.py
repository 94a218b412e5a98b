"""A run as tidy tables of named columns, for notebooks and for other tools."""
