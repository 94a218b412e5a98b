"""A person's words to the spec of a load: one reader for the command line, the library and plans."""
