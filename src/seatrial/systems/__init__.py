"""Systems under test and their origins: one file each, behind the two interfaces in ``base``."""
