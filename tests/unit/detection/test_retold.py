"""Whatever windows come, go or change, exceedances and alarms end as if everything had been told at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.courses import RULES, defects, scores
from unit.tables import HOUR, MONDAY, loose, table

from pipelines.changes import earliest
from pipelines.contracts.enforce import shape_of
from pipelines.contracts.registry import CONTRACTS
from pipelines.detection.alarms import alarms, concerned, retold
from pipelines.detection.exceedances import beyond, exceedances
from resources.differences import Shape, difference
from resources.spans import at_moment, rows_within, since

LOOK_BACK = RULES.look_back
HOURS = 40
Place = tuple[str, str, int]  # machine, kind and hour
Windows = dict[Place, dict[str, Any]]


class Tables(NamedTuple):
    exceedances: pl.DataFrame
    alarms: pl.DataFrame


EMPTY = Tables(table("exceedances").clear(), table("alarms").clear())
COLUMNS = beyond(scores(""), defects(""), RULES).columns


def stored(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """What a stage returned as the lake keeps it; of the contract only the columns, as checking them takes its time."""
    shape = shape_of(CONTRACTS[name])
    kept = frame.with_columns(day=pl.col(shape["time"]).dt.date(), run_id=pl.lit("run-1"))
    return kept.select(list(CONTRACTS[name].columns))


def rows_of(windows: Windows) -> pl.DataFrame:
    rows = [
        {"machine_id": machine, "kind": kind, "recorded_at": MONDAY + hour * HOUR, **said}
        for (machine, kind, hour), said in windows.items()
    ]
    return loose("exceedances", rows).select(COLUMNS)


def at_once(windows: Windows, told: pl.DataFrame, newest: datetime | None) -> Tables:
    """Everything computed from the beginning, as the assets do it where there is no feed."""
    whole = stored("exceedances", exceedances(rows_of(windows), EMPTY.exceedances, RULES))
    return Tables(whole, stored("alarms", alarms(whole, told, newest=newest, rules=RULES)))


def swapped(name: str, frame: pl.DataFrame, spans: list[Any], new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What `Lake.replace` leaves of a table, and the feed of what it changed: what says the same stays as it was."""
    shape = Shape(**shape_of(CONTRACTS[name]))
    within = rows_within(spans, shape.time or "")
    changed = difference(frame.filter(within), new, shape).touched
    written = rows_within(
        [at_moment(*row) for row in changed.select(shape.time, "machine_id").rows()], shape.time or ""
    )
    return pl.concat([frame.filter(~written), new.filter(written)]), changed


def by_news(tables: Tables, feed: pl.DataFrame, windows: Windows, newest: datetime | None) -> Tables:
    """What changed brought to both tables, as the assets do it."""
    moments = earliest(feed)
    spans = since(moments)
    before = [span._replace(since=span.since - LOOK_BACK, until=span.since) for span in spans]
    carried = tables.exceedances.filter(rows_within(before, "recorded_at"))
    refolded = rows_of(windows).filter(pl.col("recorded_at") >= pl.col("machine_id").replace_strict(
        moments, default=MONDAY + 10_000 * HOUR, return_dtype=feed.schema["recorded_at"]
    ))  # fmt: skip
    new = exceedances(refolded, carried, RULES)
    folded, changed = swapped("exceedances", tables.exceedances, spans, stored("exceedances", new))

    moments = earliest(changed)
    reached = since({name: at - LOOK_BACK for name, at in moments.items()})
    told = tables.alarms.filter(concerned(moments, newest=newest, rules=RULES))
    found = retold(folded.filter(rows_within(reached, "recorded_at")), told, moments, newest=newest, rules=RULES)
    starts = [at_moment(at, name) for name, at in found.starts]
    stand = tables.alarms.filter(rows_within(starts, "started_at"))
    return Tables(folded, swapped("alarms", tables.alarms, starts, stored("alarms", found.among(stand)))[0])


def said(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    shape = shape_of(CONTRACTS[name])
    return frame.drop(shape["lineage"]).sort(shape["key"])


PLACES = st.tuples(
    st.sampled_from(["plant.a", "plant.b"]), st.sampled_from(["anomaly", "silent"]), st.integers(0, HOURS)
)
SAID = st.fixed_dictionaries(
    {
        "score": st.sampled_from([0.9, 0.95, 1.0]),
        "top_sensor": st.sampled_from("vw"),
        "top_z": st.sampled_from([3.0, -0.1]),
        "deviating_sensors": st.integers(1, 3),
    }
)


@st.composite
def bursts(draw: st.DrawFn) -> Windows:
    """A few windows of one machine and kind, close enough to raise."""
    machine, kind, start = draw(PLACES)
    hours = draw(st.lists(st.integers(0, 6), min_size=1, max_size=6, unique=True))
    return {(machine, kind, start + hour): draw(SAID) for hour in hours}


@st.composite
def changes(draw: st.DrawFn, windows: Windows) -> Windows:
    """The windows after some came, some went and some say something else."""
    gone = draw(st.sets(st.sampled_from(sorted(windows)), max_size=4)) if windows else set()
    come = [place for burst in draw(st.lists(bursts(), max_size=2)) for place in burst.items()]
    return {place: what for place, what in windows.items() if place not in gone} | dict(come)


def fed(was: Windows, now: Windows) -> pl.DataFrame:
    return rows_of({place: (was | now)[place] for place in was.keys() | now.keys() if was.get(place) != now.get(place)})


def superseding(frame: pl.DataFrame) -> Mapping[str, str]:
    return dict(frame.drop_nulls("supersedes").select("alarm_id", "supersedes").rows())


@given(st.data())
@settings(max_examples=40)
def test_whatever_windows_change_the_tables_end_as_if_all_was_told_at_once(data):
    windows: Windows = {}
    tables, newest = EMPTY, None
    for number in range(data.draw(st.integers(2, 5))):
        was, windows = windows, data.draw(changes(windows))
        newest = MONDAY + data.draw(st.integers(0, HOURS + 20)) * HOUR
        before, feed = tables.alarms, fed(was, windows)
        tables = by_news(tables, feed, windows, newest)
        whole = at_once(windows, before, newest)
        event(f"step {number}: alarms {tables.alarms.height}, a change: {not feed.is_empty()}")
        for name, frame, expected in zip(Tables._fields, tables, whole, strict=True):
            assert said(name, frame).equals(said(name, expected)), name
        assert superseding(tables.alarms) == superseding(whole.alarms)
