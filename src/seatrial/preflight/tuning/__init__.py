"""Which kernel settings a plan needs, what each has to be, why, and setting them."""
