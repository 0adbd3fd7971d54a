"""One file = one verb of the command line; each has ``add(subparsers)`` and imports what is heavy when it runs."""
