"""What became of a discoverer: how soon each change was there, what its queue did, and what held it up."""
