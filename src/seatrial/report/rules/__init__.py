"""What a plan asks, as alerting rules of Prometheus."""
