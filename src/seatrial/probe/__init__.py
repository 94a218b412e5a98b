"""Asking routes and looking at a machine from wherever a load leaves: this process, a namespace, or a pod.

It is also a program of its own, beside workers and origins. So nothing here needs more than the standard library.
"""
