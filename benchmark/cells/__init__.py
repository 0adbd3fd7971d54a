"""Cells of the matrix: their state, their models, and what runs them."""
