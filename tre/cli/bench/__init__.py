"""`tre bench`: every published number, with its peer in the same run."""
