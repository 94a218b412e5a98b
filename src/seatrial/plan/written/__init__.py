"""What a person may write, and its one meaning."""
