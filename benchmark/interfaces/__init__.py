"""What a guest reads: the interfaces of methods and datasets, and what the engine lends to them."""
