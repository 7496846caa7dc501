"""What a change feed says: which machines and moments the rows that came and went are about."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl


def earliest(*feeds: pl.DataFrame, time: str = "recorded_at") -> dict[str, datetime]:
    """Earliest moment at which each machine changed.

    Args:
        feeds: Rows with `machine_id`; empty (also without columns) where nothing changed.
        time: Column of the moments.
    """
    rows = [feed.select("machine_id", time) for feed in feeds if not feed.is_empty()]
    if not rows:
        return {}
    return dict(pl.concat(rows).group_by("machine_id").agg(pl.col(time).min()).sort("machine_id").rows())


def machines_that_differ(changed: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Machines of a table with one row a machine that say something else in `columns` than before.

    A row that came is compared with the row that went; where none went, with nulls: a machine that is new and says
    nothing there differs in nothing.

    Args:
        changed: Rows of the table's feed, `_change_type` insert or delete, over any number of commits.
        columns: What counts.
    """
    if changed.is_empty():
        return []
    before = _states(changed, "delete", columns, keep="first")
    after = _states(changed, "insert", columns, keep="last")
    both = before.join(after, on="machine_id", how="full", coalesce=True, suffix="_after")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_after")) for name in columns)
    return sorted(both.filter(differs)["machine_id"])


def _states(changed: pl.DataFrame, kind: str, columns: Sequence[str], *, keep: str) -> pl.DataFrame:
    """State of each machine before the first or after the last of the commits, as far as rows of `kind` tell."""
    order = pl.col("_commit_version")
    edge = order.min() if keep == "first" else order.max()
    rows = changed.filter((order == edge.over("machine_id")) & (pl.col("_change_type") == kind))
    told = [
        pl.Series(name, [repr(value) for value in rows[name].to_list()]) if rows[name].dtype.is_nested() else rows[name]
        for name in columns
    ]
    return rows.select("machine_id", *told)


def last_states(changed: pl.DataFrame, key: Sequence[str], order: str | None = None) -> pl.DataFrame:
    """Of each key the row that says what it is after all commits.

    Args:
        changed: Rows of a table's feed over any number of commits; `_change_type` insert or delete.
        key: Columns that no two rows of the table share.
        order: Column whose highest value is current, in a table that keeps every version of a key and from which none
            is taken away; None: the last commit counts. Within a commit a row that came stands for the one that went.

    Returns:
        The same columns; `_change_type` delete where the key is gone.
    """
    if changed.is_empty():
        return changed
    latest = [*([order] if order else ()), "_commit_version", pl.col("_change_type") == "insert"]
    return changed.sort(latest).unique(list(key), keep="last", maintain_order=True)


def touched_moments(changed: pl.DataFrame) -> list[tuple[datetime, datetime, str]]:
    """Of each machine and day the stretch in which its rows came or went: first and last moment, machine.

    Args:
        changed: Rows of a table's feed, with `machine_id` and `recorded_at`; empty where nothing changed.
    """
    if changed.is_empty():
        return []
    at = pl.col("recorded_at")
    days = changed.group_by("machine_id", day=at.dt.date()).agg(since=at.min(), until=at.max())
    return days.sort("machine_id", "since").select("since", "until", "machine_id").rows()


def touched_windows(*feeds: pl.DataFrame) -> list[tuple[datetime, datetime]]:
    """Spans of the windows that changed, neighbours joined.

    Args:
        feeds: Rows with `recorded_at` and `window_s`; empty (also without columns) where nothing changed.
    """
    windows = [feed.select("recorded_at", "window_s") for feed in feeds if not feed.is_empty()]
    if not windows:
        return []
    end = pl.col("recorded_at") + pl.duration(seconds="window_s")
    joined: list[tuple[datetime, datetime]] = []
    for since, until in pl.concat(windows).unique().select("recorded_at", end=end).sort("recorded_at").rows():
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
        else:
            joined.append((since, until))
    return joined
