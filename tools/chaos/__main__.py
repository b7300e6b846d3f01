"""`python -m tools.chaos`."""

import os
import sys

from tools.chaos import failures
from tools.chaos.harness import main

wanted = os.environ.get("FAILURES")
sys.exit(failures.main(wanted, as_json=bool(os.environ.get("JSON"))) if wanted else main())
