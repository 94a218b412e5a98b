"""What the kernel counts of a network: read from /proc, and nothing else."""
