"""What there is in the cloud: projects, load balancers and what hangs on them, tokens, and when each changed."""
