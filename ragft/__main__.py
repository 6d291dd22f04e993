"""`python -m ragft` is `ragft`."""

import sys

from ragft.cli import main

sys.exit(main())
