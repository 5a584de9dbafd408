"""Which host is whose."""

from __future__ import annotations

import pytest

from tre.gateway.hosts import Door, Place, find_place

BASE = "tre.localhost"
W = "w-abcdefgh2345"


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("tre.localhost", Place(Door.public, "tre.localhost")),
        ("TRE.localhost:8000", Place(Door.public, "tre.localhost")),
        ("desk.tre.localhost:8000", Place(Door.desk, "desk.tre.localhost")),
        ("enter.tre.localhost", Place(Door.enter, "enter.tre.localhost")),
        ("hub.tre.localhost", Place(Door.hub, "hub.tre.localhost")),
        ("preview.tre.localhost", Place(Door.preview, "preview.tre.localhost")),
        ("sources.tre.localhost", Place(Door.sources, "sources.tre.localhost")),
        (f"{W}.open.tre.localhost:8000", Place(Door.shell, f"{W}.open.tre.localhost", W)),
        (f"{W}.lab.tre.localhost", Place(Door.lab, f"{W}.lab.tre.localhost", W)),
    ],
)
def test_our_hosts(header: str, place: Place) -> None:
    assert find_place(header, BASE) == place


@pytest.mark.parametrize(
    "header",
    [
        "",
        "127.0.0.1:8000",
        "localhost",
        "tre.localhost.",
        "eviltre.localhost",
        "tre.localhost.evil",
        "desk.tre.localhost.evil",
        "x.desk.tre.localhost",
        ".tre.localhost",
        "w-short.lab.tre.localhost",
        f"x.{W}.lab.tre.localhost",
        f"{W}.tre.localhost",
        f"{W}.admin.tre.localhost",
        f"{W}.lab.open.tre.localhost",
        "tre.localhost:",
        "tre.localhost:80:80",
        "tre.localhost:80@evil",
        "tre.localhost:999999",
        "desk.tre.localhost:8000 ",
        "desk.tre.localhost.tre.localhost",
        "public.tre.localhost",
        "shell.tre.localhost",
    ],
)
def test_everything_else_is_nothing(header: str) -> None:
    assert find_place(header, BASE) is None
