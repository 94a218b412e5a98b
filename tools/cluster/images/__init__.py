"""What pods run: images made from files of this machine, without a registry and without a daemon.

``catalogue`` names them, ``asked`` has the names that plans have for them. ``contents`` gathers what is in one,
``packages`` fetches what this machine's environment has not got, ``oci`` writes it.
"""
