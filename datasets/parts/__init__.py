"""Pieces of datasets that are no datasets themselves."""
