"""Deciding on applications at the desk: what waits, what is asked, the vote, the members."""
