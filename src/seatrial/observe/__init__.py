"""What is looked at beside the load: every process of every role, the machine, and the system's own counters.

``Sampler`` is the way in; each of the others looks at one kind of thing.
"""
