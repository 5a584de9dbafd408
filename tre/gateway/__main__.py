"""`python -m tre.gateway`."""

import sys

from tre.gateway.main import main

sys.exit(main())
