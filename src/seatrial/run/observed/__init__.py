"""What a plan asks of a Prometheus: tried before the run, asked after each trial."""
