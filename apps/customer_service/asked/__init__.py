"""What customers asked before: read, grouped by meaning, and held against the knowledge base."""
