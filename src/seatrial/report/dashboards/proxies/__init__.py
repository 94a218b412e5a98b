"""One dashboard for each kind of proxy: what it says of itself, on its own page of metrics."""
