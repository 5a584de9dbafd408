"""Looking for names in files that belong to researchers: a child behind walls, and what it recognises."""
