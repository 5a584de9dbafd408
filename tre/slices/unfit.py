"""Why a single file cannot be taken."""

from __future__ import annotations


class UnfitError(Exception):
    """A file that cannot be taken: the rule and one sentence, without the offending value."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message
