"""``python -m ectojob_py`` is the console script ``ectojob``."""

import sys

from ectojob_py.cli import main

sys.exit(main())
