"""How every command reads its streams, ends, and speaks of errors."""
