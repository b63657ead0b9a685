"""``python -m scdd``."""

from __future__ import annotations

import sys

from scdd.cli import main

if __name__ == "__main__":
    sys.exit(main())
