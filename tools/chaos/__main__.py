"""`python -m tools.chaos`."""

import sys

from tools.chaos.harness import main

sys.exit(main())
