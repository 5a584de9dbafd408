"""Opt-outs as work: how a list is read, what must be confirmed by whom, and the steps until the receipt."""
