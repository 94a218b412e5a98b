"""What runs on a cluster: facts of pods, their logs and standard input, and what their nodes say."""
