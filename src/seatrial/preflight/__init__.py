"""Before anything starts: has this machine what the plan needs? What does not fit is refused, with the arithmetic."""
