"""Systems on a Kubernetes cluster: installed there for a run, or found there and only described."""
