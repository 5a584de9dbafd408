"""`python tools/corpus --seed WORD --to DIRECTORY [--each N]`: write a corpus of outputs to measure the checks on.

Guarantees: the same seed gives the same corpus with the same versions of the tools; every sample says what was planted
in it, by what it was written, and in which of its files. The records that the outputs were made from stand beside them
(`records.csv`), as the slice that the checks are told of.

Does not guarantee: that real outputs look like these. They are written by the tools that researchers use; what
researchers do with them varies more.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from clean import CLEAN
from people import made
from planted import PLANTED
from sample import Sample, write_all

PEOPLE = 2400


def generator(seed: str, *parts: object) -> np.random.Generator:
    """Random numbers of one's own for each sample, so that adding a kind changes no other sample."""
    words = hashlib.sha256(":".join(map(str, (seed, *parts))).encode()).digest()
    return np.random.default_rng(int.from_bytes(words[:8], "big"))


def main() -> int:
    """Write the corpus; 0."""
    parser = argparse.ArgumentParser(prog="corpus", description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", required=True, help="any word; another word, another corpus")
    parser.add_argument("--to", type=Path, required=True, help="an empty or new directory")
    parser.add_argument("--each", type=int, default=4, help="samples of each kind")
    asked = parser.parse_args()
    asked.to.mkdir(parents=True, exist_ok=True)
    if any(asked.to.iterdir()):
        print(f"{asked.to} is not empty", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    records = made(generator(asked.seed, "people"), PEOPLE)
    samples: list[Sample] = []
    for make in (*CLEAN, *PLANTED):
        for number in range(asked.each):
            samples.append(make(generator(asked.seed, make.__name__, number), records))
    records.to_csv(asked.to / "records.csv", index=False)
    tools = {name: version(name) for name in ("pandas", "statsmodels", "lifelines", "matplotlib", "openpyxl", "acro")}
    write_all(samples, asked.to, {"seed": asked.seed, "people": PEOPLE, "tools": tools})
    sorts = [sample.sort for sample in samples]
    print(f"{len(samples)} samples: " + ", ".join(f"{sorts.count(sort)} {sort}" for sort in sorted(set(sorts))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
