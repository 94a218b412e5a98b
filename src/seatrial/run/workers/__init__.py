"""Where the workers of a load are: processes here, or pods."""
