"""The page that shows runs: a server that only reads their records, and writes nothing but notes into them."""
