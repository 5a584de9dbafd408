"""Amounts are exact, money is amount times price, and a forecast is plain arithmetic."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from tests.unit.domain.costs.test_meters import HOUR, NOON, meter
from tre.domain.costs.meters import Kept
from tre.domain.costs.prices import (
    LARGEST,
    Prices,
    Unit,
    Use,
    forecast,
    hourly,
    live,
    money,
    parse_amount,
    shown,
    shown_money,
)
from tre.domain.errors import Reason, TREError

DAY = timedelta(days=1)


def an_hour() -> Use:
    ms = 3_600_000
    return Use(
        life_ms=ms,
        known_ms=ms,
        cpu_us=1_800_000_000,
        reserved_cpu_ms=2000 * ms,
        memory_mib_ms=4096 * ms,
        gpu_ms=ms,
        kept_kib_s={Kept.homes: 2**20 * 86_400},
        peak_bytes=5,
    )


def test_an_hour_in_units() -> None:
    assert an_hour().amounts() == {
        Unit.cpu_used: Decimal("0.5"),
        Unit.cpu_reserved: Decimal(2),
        Unit.memory: Decimal(4),
        Unit.gpu: Decimal(1),
        Unit.storage: Decimal(1),
    }


def test_sums_are_sums_and_peaks_are_peaks() -> None:
    both = an_hour() + Use(kept_kib_s={Kept.homes: 1, Kept.vault: 2}, peak_bytes=9)
    assert both.kept_kib_s == {Kept.homes: 2**20 * 86_400 + 1, Kept.vault: 2}
    assert both.peak_bytes == 9
    assert (an_hour() + Use()).peak_bytes == 5
    assert (Use() + Use()).peak_bytes is None
    assert both.cpu_us == an_hour().cpu_us


def test_what_is_not_known_is_said() -> None:
    assert an_hour().is_cpu_known
    assert Use().is_cpu_known  # nothing ran: nothing was computed
    blind = Use(life_ms=7_200_000)
    assert not blind.is_cpu_known
    assert blind.unknown_hours == 2
    assert (blind + an_hour()).is_cpu_known
    assert an_hour().unknown_hours == 0


def test_what_goes_on_counts_until_now() -> None:
    found = live(meter(), NOON + HOUR)
    assert found.amounts()[Unit.cpu_reserved] == 2
    assert not found.is_cpu_known
    assert live(meter(), NOON - HOUR) == Use()
    assert live(meter(), NOON + 3 * DAY, "2026-12").life_ms == 36 * 3_600_000  # from the first of December
    assert live(meter(), NOON + HOUR, "2026-10") == Use()


def test_an_hour_of_a_size() -> None:
    found = hourly(2000, 4 * 2**30).amounts()
    assert (found[Unit.cpu_reserved], found[Unit.memory], found[Unit.gpu]) == (Decimal(2), Decimal(4), Decimal(0))
    assert hourly(2000, 4 * 2**30, gpus=2).amounts()[Unit.gpu] == Decimal(2)


def test_money_is_amount_times_price() -> None:
    prices = Prices.model_validate({"currency": "GBP", "units": {"cpu-hours-reserved": "0.04", "gpu-hours": 2}})
    assert money(an_hour().amounts(), prices) == Decimal("2.08")
    assert prices.of(Unit.memory) == 0


@pytest.mark.parametrize("wrong", [{"units": {"gpu-hours": "-1"}}, {"units": {"gpu": 1}}, {"currency": "pounds"}])
def test_a_mistyped_price_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Prices.model_validate({"currency": "GBP"} | wrong)


def test_a_forecast_goes_on_as_it_went() -> None:
    assert forecast(Decimal(10), NOON, NOON + 10 * DAY, NOON + 30 * DAY) == 30
    assert forecast(Decimal(10), NOON, NOON + 10 * DAY, NOON) == 10  # it has ended
    assert forecast(Decimal(1), NOON, NOON + HOUR, NOON + HOUR + 2 * DAY) == 3  # an hour is taken for a day


def test_numbers_as_people_write_and_read_them() -> None:
    assert parse_amount(" 12.5 ") == Decimal("12.5")
    assert parse_amount("0") == 0
    assert [shown(Decimal(text)) for text in ("1234.5678", "2.000", "0", "0.0004", "100")] == [
        "1,234.568", "2", "0", "0", "100",
    ]  # fmt: skip
    assert shown_money(Decimal("1234.505"), "GBP") == "1,234.51 GBP"


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "1e9", "nan", ".5", "5.", "1,000", "12 h", "١", "1" * 21, f"{LARGEST + 1:f}"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(TREError) as caught:
        parse_amount(text)
    assert caught.value.reason is Reason.BadInput
