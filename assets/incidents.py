"""Incidents: the index of what each episode looked like and what became of it. Belongs here: filling and asking it."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from assets.partitions import OWNERS
from resources.incident_index import IncidentIndex, News, Note
from resources.lake import Lake
from resources.spans import Span

FROM = ("alarms", "verdicts", "window_features", "baselines", "machines", "work_orders")
AT_ONCE = 200
"""Episodes whose windows are in memory together."""
TOLD, NEAREST = 5, 3
"""New verdicts whose nearest incidents are told, and how many of each."""
ALIKE = 0.5
"""Similarity from which two incidents are alike."""


@dg.asset(group_name="serving", deps=FROM, owners=OWNERS, kinds={"lancedb"}, pool="incidents")
def incidents(lake: Lake, incident_index: IncidentIndex) -> dg.MaterializeResult[Any]:
    """The incident index: one row an episode, found by what its sensors did and by its words.

    It runs with the plan, not with each micro-batch: an episode that is open changes with nearly every file, and to
    load LanceDB costs a fresh process more than all else the batch does.
    """
    from pipelines.incidents.incident import VERSION

    written = incident_index.bring_up_to_date(lambda note: _news(lake, note), definition=VERSION)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": written.rows,
            "upserted": written.upserted,
            "removed": written.removed,
            "made_anew": written.is_rebuilt,
        }
    )


def _news(lake: Lake, note: Note | None) -> News:
    """What an index with this note lacks."""
    from pipelines.changes import machines_that_differ
    from pipelines.incidents.concerned import concerned

    changes = {name: lake.changes(name, note.taken.get(name) if note else None) for name in FROM}
    taken = {name: (change.table_id, change.version) for name, change in changes.items()}
    news = {name: change.rows for name, change in changes.items() if change.rows is not None}
    alarms = lake.read("alarms")
    if len(news) < len(changes):
        return News(told(lake, alarms), None, taken)
    machines = [
        *machines_that_differ(news["machines"], ("machine_class",)),
        *machines_that_differ(news["baselines"], ("sensors",)),
    ]
    ids = concerned(alarms, news, machines)
    changed = alarms.filter(pl.col("alarm_id").is_in(list(ids)))
    return News(told(lake, changed), sorted(ids - set(changed["alarm_id"])), taken)


def told(lake: Lake, alarms: pl.DataFrame) -> pl.DataFrame:
    """Incidents of alarms, from what the lake says of them."""
    from pipelines.incidents.incident import INCIDENT, incidents
    from pipelines.incidents.signature import spans

    made = [pl.DataFrame(schema=INCIDENT)]
    for some in alarms.sort("started_at", "alarm_id").iter_slices(AT_ONCE):
        times = [Span(since, until, (name,)) for _, name, since, until in spans(some).iter_rows()]
        windows = lake.read("window_features", spans=times)
        theirs = pl.col("machine_id").is_in(some["machine_id"].unique().to_list())
        rest = (lake.read(name, where=theirs) for name in ("baselines", "machines", "verdicts", "work_orders"))
        made.append(incidents(some, windows, *rest))
    return pl.concat(made)


def nearest(lake: Lake, index: IncidentIndex, alarms: pl.DataFrame) -> Mapping[str, Any]:
    """Metadata: the nearest incidents before each alarm, for the newest alarms; none where there are none to name."""
    note = index.note()
    if note is None or not note.rows:
        return {}
    records = []
    for row in told(lake, alarms.sort("started_at", "alarm_id").tail(TOLD)).to_dicts():
        found = index.search(row["signature"], row["summary"], limit=NEAREST, before=row["started_at"])
        records += [_record(row, like) for like in found.filter(pl.col("similarity") >= ALIKE).to_dicts()]
    return {"nearest_incidents": dg.MetadataValue.table(records)} if records else {}


def _record(row: Mapping[str, Any], like: Mapping[str, Any]) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "alarm": row["alarm_id"],
            "machine": row["machine_id"],
            "looks like": like["alarm_id"],
            "similarity": round(like["similarity"], 2),
            "of machine": like["machine_id"],
            "on": f"{like['started_at']:%F}",
            "which was": like["summary"],
            "verdict": like["verdict"] or "not judged",
            "work order": " ".join(filter(None, (like["work_order"], like["failure_mode"]))) or "none",
            "outcome": like["outcome"] or "not recorded",
        }
    )
