"""Load balancers of an OpenStack cloud, by Keystone v3 and Octavia v2."""
