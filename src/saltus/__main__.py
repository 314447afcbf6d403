"""`python -m saltus` is the command `saltus`."""

import sys

from saltus.cli.main import main

sys.exit(main())
