"""A trial of a discoverer: what stands around it, and the steps that it is taken through."""
