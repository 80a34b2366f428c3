"""``python -m gmjax``: the ``gmjax`` command."""

import sys

from gmjax.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
