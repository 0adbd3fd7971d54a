"""Sections of codes: t-SNE, nearest videos."""
