"""Routes, services and endpoints: from a few numbers to named things, which each system renders in its own words."""
