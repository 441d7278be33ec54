"""`python -m txproxy`: the same as the command `txproxy`."""

import sys

from .service.commands import main

if __name__ == "__main__":
    sys.exit(main())
