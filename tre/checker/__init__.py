"""The checker: the only program that looks into bytes from a workspace. No database, no network; a spool is its door.

`handlers` does one job of each kind, `service` is the loop around them, `network` gives the network up.
"""
