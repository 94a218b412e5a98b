"""What the project is built and tried with; no part of the product."""
