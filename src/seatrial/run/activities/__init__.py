"""What goes on during a trial: traffic, and whatever else is to go on beside it."""
