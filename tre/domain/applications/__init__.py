"""Applications: what a named person asks of a committee."""
