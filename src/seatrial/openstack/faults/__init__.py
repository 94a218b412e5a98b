"""What goes wrong with a cloud on demand, and how many calls it takes."""
