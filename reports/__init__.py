"""Reports: what records say, as tables, curves and one page; this room reads records only."""
