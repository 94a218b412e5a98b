"""Origins: the target service behind the system under test, one kind per file."""
