"""The shared core of Trivium: everything a vertical product can stand on."""

__version__ = "0.1.0"
