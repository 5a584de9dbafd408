"""The header gate: which files of a delivery may ever be mounted.

Guarantees: a file passes only if every element of its header, at every depth, is on the harmless side of a rule;
refused and quarantined files are named with the rule and the attribute and never with the value.

Does not guarantee: anonymity. Pixels are biometric, dates and rare values single people out; the setting (no way out,
checked outputs) carries the rest.
"""
