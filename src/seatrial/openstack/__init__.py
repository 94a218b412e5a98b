"""A simulator of an OpenStack cloud: Keystone v3, and load balancers as Neutron LBaaS v2 and Octavia answer for them.

``cloud`` is what there is, without HTTP and without a clock of its own; ``api`` answers as the real services do;
``faults`` is what goes wrong on demand; ``calls`` counts; ``control`` is how a test changes and asks all of it, and
``site`` puts it together. Nothing of it knows plans or runs: it stands for what is outside.
"""
