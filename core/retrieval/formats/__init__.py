"""Readers of file formats: bytes in, text in one plain convention out. `core.retrieval.loading` picks among them."""
