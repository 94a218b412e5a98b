"""Who may do what on a cluster, and how this machine's programs find it: ``certificates``, ``kubeconfig``."""
