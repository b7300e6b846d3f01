"""`python -m tools.docs.looks`."""

import sys

from tools.docs.looks.page import main

sys.exit(main())
