"""What the tries do: functions that a fork of the warm process calls by name."""

import sys
from collections.abc import Sequence


def smartmaint(words: Sequence[str]) -> None:
    """The command line, as a person calls it."""
    from jobs.cli import main

    sys.argv = ["smartmaint", *words]
    main()
