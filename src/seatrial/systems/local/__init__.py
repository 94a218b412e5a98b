"""What systems on this machine have in common: one proxy, a fleet of them, and how each kind is asked."""
