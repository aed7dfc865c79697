"""`python -m ombud` and the `ombud` command."""

from ombud.cli.main import main

if __name__ == "__main__":
    main()
