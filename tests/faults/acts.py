"""What the tries do: functions that a fork of the warm process calls by name."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path


def smartmaint(words: Sequence[str]) -> None:
    """The command line, as a person calls it."""
    from jobs.cli import main

    sys.argv = ["smartmaint", *words]
    main()


def doctor_later(home: str, seconds: float) -> None:
    """What `smartmaint doctor` does, asked after a while: it lets be what may still be written or begin."""
    import dagster as dg

    from jobs.doctor import CHECKS
    from jobs.findings import Patient
    from resources.home import Home

    with dg.DagsterInstance.from_config(home) as instance:
        patient = Patient(Home(Path(home)), instance, mends=True, now=time.time() + seconds)
        for check in CHECKS:
            list(check(patient))
