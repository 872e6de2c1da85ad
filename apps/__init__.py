"""The three products built on `core`."""
