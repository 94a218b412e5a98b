"""One run that pages watch: what they are sent, in numbered pieces that anyone who was cut off can go on from."""
