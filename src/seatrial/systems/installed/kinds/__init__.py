"""Each kind of system on a cluster: what a plan says of it, its objects, its recipe. Nothing is asked here."""
