"""The section of robustness: losses over seeds, figure, tables."""
