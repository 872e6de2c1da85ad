"""From annotated files to batches.

`prepare` imports (`importing`), cleans (`cleaning`, `repeats`, `near_duplicates`), splits (`splits`) and describes
(`card`); `load_prepared` gives the records back. `supervised`, `text_tokens` and `masking` make them into tokens, and
`batches` is what a training loop asks: `len` and `batch(epoch, index)`, with `packing`, `mixing` and `curriculum`.
"""
