"""A real Kubernetes cluster of three nodes on one machine, without Internet, Docker or systemd.

``python -m tools.cluster up`` builds what is missing and starts it; ``down`` ends it and leaves nothing.

Read in this order:

- ``programs``: what runs, each at a pinned version. ``build`` makes it, ``debian`` finds the rest.
- ``layout``: the names and addresses of a cluster, which all follow from its own name.
- ``up`` is the whole start on a page: ``namespaces``, ``access``, ``control_plane``, ``node``, ``objects``.
- ``down`` removes it, and ``remains`` looks for what is left.
- ``images`` makes what pods run, without a registry and without a daemon.
"""
