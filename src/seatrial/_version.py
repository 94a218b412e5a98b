"""The version: a leaf, so that whoever needs it does not depend on the whole package."""

__version__ = "0.1.0"
