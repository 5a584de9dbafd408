"""The settings of backups: when somebody is told that one is due."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tre.domain.model import Record


class BackupSettings(Record):
    """How old the last backup and the last restore drill may be before `tre doctor` says a word."""

    warn_after_days: Annotated[int, Field(ge=1, le=365)] = 7
    """How many days without `tre backup` are worth a word. What happened in them is lost with the machine."""

    drill_after_days: Annotated[int, Field(ge=1, le=3650)] = 180
    """How many days without `tre backup --drill`. A backup that nobody ever restored is a hope."""
