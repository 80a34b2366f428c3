"""``python -m gmjax``: the ``gmjax`` command."""

import sys

from gmjax.cli import main

if __name__ == "__main__":
    sys.exit(main())
