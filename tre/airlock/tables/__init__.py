"""What a table says: its columns, the role of each, and the numbers in them. Standard library only."""
