"""Scaling: what the phases of a run cost at several sizes, how that grows, and what a larger size would cost."""
