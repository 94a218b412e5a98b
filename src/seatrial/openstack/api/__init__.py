"""What the services answer: identity (Keystone), and load balancers as Neutron and as Octavia."""
