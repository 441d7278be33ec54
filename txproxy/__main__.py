"""`python -m txproxy`: the same as the command `txproxy`."""

from .service.commands import main

if __name__ == "__main__":
    main()
