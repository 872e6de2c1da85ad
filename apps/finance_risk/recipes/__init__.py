"""Training recipes of the product and the data they learn from."""
