"""What goes wrong on demand, and how often it did."""
