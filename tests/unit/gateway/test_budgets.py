"""The sliding hour, its alarms, and the sum of a grant."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.gateway.world import route_record, utc
from tre.domain.clock import ManualClock
from tre.domain.workspaces.routes import Route
from tre.gateway.budgets import GRANT_ALARM_BYTES, Alarm, Budget, Budgets, Meter

READS, OUTPUT = Budget.file_reads, Budget.kernel_output
LETTERS = str.maketrans("0123456789", "abcdefghij")


def route(reads: int = 1000, output: int = 1000, **changes: object) -> Route:
    budgets = {"fileReads": reads, "kernelOutput": output}
    return Route.model_validate(route_record(socket="/run/lab.sock", budgets=budgets, **changes))


class Desk:
    """Budgets with a clock that tests move, and what they told."""

    def __init__(self) -> None:
        self.clock = ManualClock(utc())
        self.told: list[Alarm] = []
        self.budgets = Budgets(self.clock, self.told.append)

    def kinds(self) -> list[str]:
        return [alarm.kind for alarm in self.told]


def test_what_fits_passes_and_the_rest_does_not() -> None:
    desk = Desk()
    assert desk.budgets.admit(route(), READS, 600)
    assert not desk.budgets.admit(route(), READS, 401)
    assert desk.budgets.admit(route(), READS, 400)
    assert desk.budgets.left(route(), READS) == 0


def test_the_two_budgets_and_workspaces_are_apart() -> None:
    desk = Desk()
    assert desk.budgets.admit(route(), READS, 1000)
    assert desk.budgets.admit(route(), OUTPUT, 1000)
    assert desk.budgets.admit(route(workspace="w-bbbbbbbbbbbb"), READS, 1000)
    assert not desk.budgets.admit(route(), READS, 1)


def test_the_budget_comes_back_after_an_hour_and_not_before() -> None:
    desk = Desk()
    desk.budgets.admit(route(), READS, 1000)
    desk.clock.advance(3599)
    assert not desk.budgets.admit(route(), READS, 1)
    desk.clock.advance(62)
    assert desk.budgets.admit(route(), READS, 1000)


def test_when_it_comes_back_is_foreseen() -> None:
    desk = Desk()
    desk.budgets.admit(route(), READS, 1000)
    wait = desk.budgets.returns_in(route(), READS)
    assert 3600 <= wait <= 3660
    desk.clock.advance(wait)
    assert desk.budgets.admit(route(), READS, 1000)
    assert desk.budgets.returns_in(route(reads=2000), READS) == 0


def test_setting_the_wall_clock_forward_gains_nothing() -> None:
    desk = Desk()
    desk.budgets.admit(route(), READS, 1000)
    desk.clock.jump(utc(days=2))
    assert not desk.budgets.admit(route(), READS, 1)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(min_value=0, max_value=1500), st.integers(min_value=0, max_value=600)), max_size=60)
)
def test_no_hour_ever_holds_more_than_the_budget(draws: list[tuple[float, int]]) -> None:
    meter, at, passed = Meter(1000), 0.0, list[tuple[float, int]]()
    for pause, amount in draws:
        at += pause
        if amount <= meter.left(at):
            meter.charge(amount, at)
            passed.append((at, amount))
    for start, _ in passed:
        assert sum(amount for when, amount in passed if start <= when < start + 3600) <= 1000


def test_alarms_at_eighty_percent_and_at_the_end_come_once() -> None:
    desk = Desk()
    desk.budgets.admit(route(), READS, 799)
    assert desk.told == []
    for _ in range(3):
        desk.budgets.admit(route(), READS, 1)
    assert desk.kinds() == ["workspace.budget-warned"]
    for _ in range(3):
        desk.budgets.admit(route(), READS, 500)
    assert desk.kinds() == ["workspace.budget-warned", "workspace.budget-exhausted"]
    assert (desk.told[0].used, desk.told[0].limit) == (800, 1000)


def test_alarms_come_again_in_another_hour() -> None:
    desk = Desk()
    desk.budgets.admit(route(), READS, 900)
    desk.clock.advance(3700)
    desk.budgets.admit(route(), READS, 1)
    desk.budgets.admit(route(), READS, 900)
    assert desk.kinds() == ["workspace.budget-warned"] * 2


def test_a_grants_members_are_summed() -> None:
    desk = Desk()
    big = GRANT_ALARM_BYTES * 10
    desk.budgets.admit(route(big, big), READS, GRANT_ALARM_BYTES - 1)
    assert desk.told == []
    desk.budgets.admit(route(big, big, workspace="w-bbbbbbbbbbbb"), OUTPUT, 1)
    assert desk.kinds() == ["grant.drawn-much"]


def test_a_new_limit_holds_at_once() -> None:
    desk = Desk()
    desk.budgets.admit(route(reads=1000), READS, 500)
    assert not desk.budgets.admit(route(reads=400), READS, 1)
    assert desk.budgets.admit(route(reads=600), READS, 100)


def test_a_new_socket_needs_a_useful_rest() -> None:
    desk = Desk()
    assert desk.budgets.may_open(route())
    desk.budgets.admit(route(), OUTPUT, 980)
    assert desk.budgets.may_open(route())
    desk.budgets.admit(route(), OUTPUT, 1)
    assert not desk.budgets.may_open(route())
    assert not desk.budgets.may_open(route(output=0))


def test_what_is_always_allowed_is_counted_all_the_same() -> None:
    desk = Desk()
    desk.budgets.charge(route(), OUTPUT, 1500)
    assert desk.budgets.left(route(), OUTPUT) == 0
    assert desk.kinds() == ["workspace.budget-warned"]


def test_workspaces_that_came_and_went_leave_no_meter_and_take_no_hour_with_them() -> None:
    desk = Desk()
    desk.budgets.charge(route(), READS, 1000)
    for number in range(200):
        desk.clock.advance(60)
        desk.budgets.admit(route(workspace=f"w-a{number:03}".translate(LETTERS).ljust(14, "a")), READS, 10)
        assert (desk.budgets.left(route(), READS) == 0) == (number < 60)
    kept = len(desk.budgets._meters)
    assert 60 <= kept <= 64
    assert set(desk.budgets._told) <= set(desk.budgets._meters)
