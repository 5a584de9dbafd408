"""Every check by its name."""

from __future__ import annotations

from tre.cli.satre import airlock_checks, cost_checks, project_checks, record_checks, settings_checks
from tre.cli.satre.place import Check

CHECKS: dict[str, Check] = {
    **settings_checks.CHECKS,
    **record_checks.CHECKS,
    **project_checks.CHECKS,
    **cost_checks.CHECKS,
    **airlock_checks.CHECKS,
}
"""What statements may name."""
