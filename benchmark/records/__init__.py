"""Records of cells: what they hold and how they are stored."""
