"""The registry of public data sets."""

from core.data.registry import DataFile, Dataset, data_roots, dataset, datasets

__all__ = ["DataFile", "Dataset", "data_roots", "dataset", "datasets"]
