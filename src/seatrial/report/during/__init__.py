"""What was done to systems while they were measured, and what came of it: the same in every output."""
