"""`python -m jobs` is `smartmaint`."""

from jobs.cli import main

main()
