"""`python -m tools.docs`."""

import sys

from tools.docs.build import main

sys.exit(main(sys.argv[1:]))
