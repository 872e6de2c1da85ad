"""From annotated files to batches: import, cleaning, splits, data card, tokens, packing, masking, mixing."""
