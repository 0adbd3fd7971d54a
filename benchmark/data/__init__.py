"""Where features come from: files read in place, shards, resident features, parts of datasets, conversion."""
