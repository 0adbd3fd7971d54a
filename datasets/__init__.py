"""One file here is one dataset; the engine finds it by its presence."""
