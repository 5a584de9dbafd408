"""Draws the figures of this directory with the workspace's matplotlib, from made-up numbers.

Run once by hand (`.venv-workspace/bin/python tests/assets/airlock/figures/make.py`); the files are checked in, so that
the tests of the airlock see what researchers' programs really write, whatever runs the tests.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

HERE = Path(__file__).parent
DRAWN = np.random.default_rng(7)


def save(name: str, *endings: str, dated: bool = False) -> None:
    """The current figure in each of these formats, without the time of its making unless asked for."""
    for ending in endings:
        undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
        plt.savefig(HERE / f"{name}.{ending}", dpi=80, metadata=None if dated else undated)
    plt.close()


def main() -> None:
    """Draw all of them."""
    plt.rcParams["svg.hashsalt"] = "fixed"
    weeks = np.arange(20)
    for site in range(3):
        plt.plot(weeks, 50 + np.cumsum(DRAWN.normal(size=20)), marker="o", label=f"region {site + 1}")
    plt.legend()
    plt.xlabel("week")
    plt.ylabel("rate per 1,000")
    save("trends", "png", "jpg", "svg", "pdf")

    plt.bar(range(30), DRAWN.integers(100, 400, 30))
    plt.xlabel("age group")
    save("bars", "png", "svg", "pdf")

    for arm in range(2):
        months = np.sort(DRAWN.exponential(20, 18 + arm))
        plt.step(months, 1 - np.arange(months.size) / months.size, where="post")
    plt.title("Survival in groups of ten")
    save("survival", "png", "svg", "pdf", dated=True)

    plt.imshow(DRAWN.random((12, 12)), cmap="viridis")
    plt.colorbar()
    save("heat", "png", "svg", "pdf")

    plt.loglog(np.logspace(0, 6, 30), np.logspace(0, 6, 30) ** 0.5)
    plt.grid(visible=True, which="both")
    save("loglog", "svg", "pdf")

    _, axes = plt.subplots(3, 4, figsize=(10, 6))
    for one in axes.flat:
        one.plot(DRAWN.normal(size=8).cumsum())
    save("panels", "png", "svg", "pdf")

    _, axes = plt.subplots(figsize=(5, 3))
    axes.axis("off")
    cells = [[f"{value:.2f}" for value in row] for row in DRAWN.random((6, 4))]
    axes.table(cellText=cells, colLabels=["term", "estimate", "lower", "upper"], loc="center")
    save("table", "png", "svg", "pdf")

    plt.scatter(DRAWN.normal(60, 12, 300), DRAWN.normal(size=300), s=8)
    plt.xlabel("age")
    save("one-dot-a-person", "svg", "pdf")

    plt.scatter(DRAWN.normal(60, 12, 300), DRAWN.normal(size=300), s=DRAWN.uniform(2, 30, 300), c=DRAWN.random(300))
    save("dots-of-many-sizes", "svg", "pdf")


if __name__ == "__main__":
    main()
