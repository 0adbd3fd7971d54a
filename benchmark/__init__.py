"""The engine of the benchmark: it runs methods on datasets, measures them and keeps the records."""

__version__ = "0.1.0"
