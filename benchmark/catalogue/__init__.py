"""From names to classes, and from words to a method with its variant and settings."""
