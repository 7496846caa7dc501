"""Landing: which files to take next. Light on imports: the sensor asks it several times a second."""

from collections.abc import Mapping, Set


def plan_micro_batch(inbox: Mapping[str, str], in_flight: Set[str], *, limit: int) -> dict[str, list[str]]:
    """Files to process next, by source.

    A file leaves the inbox only when its rows are committed or quarantined, so no order of arrival, restart or
    lost cursor can hide one, and one that comes again is counted as a duplicate.

    Args:
        inbox: Source of each file that lies in the inbox, oldest arrival first.
        in_flight: Files of runs that are queued or started.
        limit: Most files of one source in one run.
    """
    pending: dict[str, list[str]] = {}
    for file, source in inbox.items():
        if file not in in_flight and len(pending.setdefault(source, [])) < limit:
            pending[source].append(file)
    return {source: files for source, files in pending.items() if files}
