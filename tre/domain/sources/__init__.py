"""Approvals that are decided elsewhere: which sources count, what they said last, and what of it is a grant here."""
