"""`smartmaint run`: everything that waits and everything that follows, source by source, then the plan."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jobs.batch import GRAPH
from jobs.failures import CommandError
from jobs.runs import Ran, opened
from pipelines.contracts.vocabulary import LANDED
from resources.inbox import Inbox

PLANNED = ("work_orders", "incidents")
SETTLING_S = 3.0


def run_all(root: Path, *, source: str | None, day: str | None, select: Sequence[str] | None) -> dict[str, Any]:
    """Run `micro_batch` for every source, then `plan`.

    Args:
        root: Home.
        source: One source only; the plan is over all sources all the same.
        day: The clock stands at the end of this UTC day, such as `2018-04-04`; None for the present.
        select: Assets; None for all.
    Returns:
        `runs`, `assets`, `partitions`, `seconds`, `failures`, and in `left` the files that could not be had.
    Raises:
        CommandError: No such source, asset or day, or nothing has ever arrived.
    """
    unknown = sorted(set(select or ()) - {*GRAPH, *PLANNED})
    if unknown:
        told = " (catalog follows by itself)" if "catalog" in unknown else ""
        raise CommandError(f"no asset {', '.join(unknown)}{told}; known are {', '.join((*GRAPH, *PLANNED))}")
    with opened(root, at=end_of(day)) as runner:
        inbox = Inbox(root=str(root))
        inbox.settle(seconds=SETTLING_S)  # whoever copies a file here and runs expects it to be taken
        arrived = {one.source for one in inbox.pending()}
        known = sorted({*runner.sources(), *arrived})
        if not known:
            raise CommandError(
                f"nothing has arrived in {root}: `smartmaint import`, or put files into landing/<source>/"
            )
        if source is not None and source not in known:
            raise CommandError(f"source {source!r} is not known; known are {', '.join(known)}")
        runs = []
        graph = _chosen(GRAPH, select)
        if graph:
            runs = [runner.run("micro_batch", source=name, select=graph) for name in ([source] if source else known)]
        if planned := _chosen(PLANNED, select):
            runs.append(runner.run("plan", select=planned))
    return _document(runs)


def _chosen(assets: Sequence[str], select: Sequence[str] | None) -> list[str]:
    if select is not None and set(select) & set(LANDED):
        select = [*select, *LANDED]  # one step reads a file once and lands all
    chosen = [name for name in assets if select is None or name in select]
    return [*chosen, "catalog"] if chosen else []


def end_of(day: str | None) -> str:
    """Moment at which the clock stands for a day; empty for the real clock.

    Raises:
        CommandError: It is no date.
    """
    if day is None:
        return ""
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise CommandError(f"day is {day!r}; expected a date such as 2018-04-04") from None
    return (start + timedelta(days=1)).isoformat()


def _written(facts: Mapping[str, Any]) -> int:
    return int(facts.get("rows_written", facts.get("values_landed", 0)))


def _document(runs: Sequence[Ran]) -> dict[str, Any]:
    listed = [
        {
            "run_id": ran.run_id,
            "job": ran.job,
            "source": ran.source,
            "seconds": round(ran.seconds, 3),
            "rows_written": sum(map(_written, ran.assets.values())),
            "assets": sorted(ran.assets),
        }
        for ran in runs
    ]
    return {
        "runs": listed,
        "assets": sorted({name for ran in runs for name in ran.assets}),
        "partitions": sorted({ran.source for ran in runs if ran.source}),
        "seconds": round(sum(ran.seconds for ran in runs), 3),
        "left": [entry for ran in runs for entry in ran.assets.get("readings", {}).get("left", ())],
        "failures": [f"{ran.source or 'all sources'}, {failure}" for ran in runs for failure in ran.failures],
    }
