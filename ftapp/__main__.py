"""`python -m ftapp` is the command line."""

from ftapp.cli import main

if __name__ == "__main__":
    main()
