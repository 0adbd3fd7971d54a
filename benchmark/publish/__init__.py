"""What the page is given by the engine, and its building."""
