"""From findings to a ranked differential with the evidence for and against each disease."""
