"""The regression gate: every method on a small part of a dataset, compared with committed numbers."""
