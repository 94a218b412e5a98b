"""How much the network between the roles carries, measured before the first trial."""
