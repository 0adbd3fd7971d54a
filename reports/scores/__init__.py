"""Sections of scores: tables, curves, cost, comparisons, ranks, published numbers."""
