"""What one kind of place needs: network namespaces, pods."""
