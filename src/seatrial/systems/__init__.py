"""Systems under test, one file each, behind the interface in ``base``."""
