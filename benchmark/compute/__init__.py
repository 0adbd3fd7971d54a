"""How the machine computes: memory, threads and precision."""
