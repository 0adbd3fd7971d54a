"""What is kept of a cell on disk, and which code and which machine made it."""
