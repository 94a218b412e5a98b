"""What the commands do where they are given ``--on kubernetes``."""
