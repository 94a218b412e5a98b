"""What pods run: images made from files of this machine, without a registry and without a daemon.

``catalogue`` names them, ``contents`` gathers what is in one, ``archive`` writes it.
"""
