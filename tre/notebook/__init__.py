"""What the launcher adds to the Python environment of a workspace."""
