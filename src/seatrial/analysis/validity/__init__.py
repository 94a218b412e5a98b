"""Whether numbers may be believed, by rule, and whose fault it is where not."""
