"""A Kubernetes cluster through its API alone: objects are dicts, and nothing here knows what they are for.

``access`` is the door; ``client`` makes calls, ``objects`` many of them, ``watch`` follows a list, ``pods`` is what
runs.
"""
