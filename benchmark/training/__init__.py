"""The one gradient loop: stages, sessions, checkpoints, measuring while it trains."""
