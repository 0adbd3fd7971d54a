"""What trained cells lose when queries are damaged."""
