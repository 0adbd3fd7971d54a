"""Cells of the matrix: what makes their numbers and what keeps their books."""
