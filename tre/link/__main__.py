"""`python -m tre.link --config FILE`: see `tre.link.service`."""

import sys

from tre.link.service import main

sys.exit(main())
