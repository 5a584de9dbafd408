"""The committee: who sits in it, how it votes, and the record of what it decided."""
