"""From codes to numbers: packed bits, protocols, streaming kernels and their plain numpy reference."""
