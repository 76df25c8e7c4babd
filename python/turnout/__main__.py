"""``python -m turnout``, the same as the command ``turnout``."""

from turnout.cli import main

if __name__ == "__main__":
    main()
