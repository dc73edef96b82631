"""``python -m makemore`` is the same as the command ``makemore``."""

from makemore.cli import main

if __name__ == "__main__":
    main()
