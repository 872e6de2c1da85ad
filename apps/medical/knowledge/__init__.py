"""What the product knows: the phenotype ontology, disease annotations with their sources, and names in Chinese."""
