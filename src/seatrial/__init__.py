"""Sea trials for the front door of a Kubernetes cluster."""

__version__ = "0.1.0"
