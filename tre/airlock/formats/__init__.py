"""Strict parsers, one for each type that may leave. Standard library only; they run in the confined child.

Guarantees: a parser either accounts for every byte of a file or refuses it. An unknown type has no parser, and what
has no parser does not leave.
"""
