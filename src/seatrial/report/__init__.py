"""From a summary to pages and files: one exporter a file."""
