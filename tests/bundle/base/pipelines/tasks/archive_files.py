"""A task: read by the bundle reader as a file name only."""
