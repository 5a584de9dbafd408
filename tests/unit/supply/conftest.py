"""The programs of tools/ that say what an installation is made of are imported as they import each other."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "tools"))
