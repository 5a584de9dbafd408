"""What numbers and texts that point at one person look like; used by the header gate and by the output checks.

Guarantees: standard library only, so that a confined process may load it.
"""
