"""`python -m midcall` is the same as `midcall`."""

from midcall.cli import main

if __name__ == "__main__":
    main()
