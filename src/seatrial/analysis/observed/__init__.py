"""What a Prometheus has seen of trials: figures of its series."""
