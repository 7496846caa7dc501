"""Landing: which files to take next. Light on imports: the sensor asks it several times a second."""

from collections.abc import Iterable, Mapping, Set
from datetime import timedelta

MOST_FILES = 200
"""Files of one source in one run."""
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=10)


def plan_micro_batch(
    inbox: Mapping[str, str], in_flight: Set[str], *, limit: int, expected: Set[str] = frozenset()
) -> dict[str, list[str]]:
    """Files to ask a run for, by source.

    A file leaves the inbox only when its rows are committed or quarantined, so no order of arrival, restart or
    lost cursor can hide one, and one that comes again is counted as a duplicate.

    Args:
        inbox: Source of each file that lies in the inbox, oldest arrival first.
        in_flight: Files of runs that are queued or started.
        limit: Most files of one source in one run.
        expected: Sources with a run that has not begun yet: it will gather what waits, and needs no other behind it.
    """
    pending: dict[str, list[str]] = {}
    for file, source in inbox.items():
        if source not in expected and file not in in_flight and len(pending.setdefault(source, [])) < limit:
            pending[source].append(file)
    return {source: files for source, files in pending.items() if files}


def gathered(named: Iterable[str], waiting: Iterable[str], *, limit: int) -> list[str]:
    """Files that a run takes: those it was asked for, and whatever has arrived by the time it begins.

    Example:
        >>> gathered(["a", "b"], ["b", "c", "d"], limit=3)
        ['a', 'b', 'c']
    """
    return list(dict.fromkeys([*named, *waiting]))[:limit]


def pause_after(failures: int) -> timedelta:
    """How long to leave a source alone after so many runs of it failed in a row: twice as long each time.

    Its files are safe in the inbox; a broken register or an absent disk is not mended by a run every five seconds.

    Example:
        >>> [pause_after(failures).total_seconds() for failures in (0, 1, 2, 30)]
        [0.0, 10.0, 20.0, 600.0]
    """
    if failures == 0:
        return timedelta(0)
    doublings: int = 2 ** min(failures - 1, 10)
    return min(FIRST_PAUSE * doublings, LONGEST_PAUSE)
