"""Pieces that several methods share and that are no methods themselves."""
