"""Manipulation: readings become features. Belongs here: descriptors. Does not: what they mean for a machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.partitions import SOURCES
from assets.upkeep import Update, bring_up_to_date, specs_of
from resources.lake import Lake, Taken
from resources.register import RegisterFile
from resources.snapshot_store import current_snapshots
from resources.spans import FIRST, LAST, Span, all_time, rows_within, through

if TYPE_CHECKING:
    from pipelines.features.levels import Levels

RECENT = timedelta(days=1)


def vibration_features(
    context: dg.AssetExecutionContext, lake: Lake, _register: RegisterFile
) -> dg.MaterializeResult[Any]:
    """Statistics, spectrum, severity and diagnosis of every vibration snapshot."""
    from pipelines.features.vibration import DECLARED, VERSION, features_of

    compute = partial(_snapshot_features, lake, context.partition_key, "vibration", features_of, DECLARED)
    inputs = BODIES[vibration_features]
    return bring_up_to_date(context, lake, "vibration_features", inputs=inputs, compute=compute, definition=VERSION)


def sound_features(context: dg.AssetExecutionContext, lake: Lake, _register: RegisterFile) -> dg.MaterializeResult[Any]:
    """Spectrum, MFCC and level of every clip of sound."""
    from pipelines.features.sound import VERSION, features_of

    compute = partial(_snapshot_features, lake, context.partition_key, "sound", features_of, ())
    inputs = BODIES[sound_features]
    return bring_up_to_date(context, lake, "sound_features", inputs=inputs, compute=compute, definition=VERSION)


def operating_states(
    context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile
) -> dg.MaterializeResult[Any]:
    """Whether each machine was off, idle, running or starting up in each window, by declared or learned levels."""
    from pipelines.changes import machines_that_differ, touched_windows
    from pipelines.features import states
    from pipelines.features.scalars import FOLLOWED

    source = context.partition_key
    every = register.load().source(source).window

    def compute(taken: Taken) -> Update:
        machines, spans = lake.read("machines", source=source), None
        startup = states.longest_startup(machines)
        if news := taken.news:
            retuned = machines_that_differ(news["machines"], states.RULE)
            told = (
                states.windows_behind(news[table], every=every, startup=startup) for table in ("readings", *FOLLOWED)
            )
            touched = touched_windows(*told)
            spans = [*(Span(*span) for span in touched), *all_time(retuned)]
        readings = _spoken(lake, source, _with_run_up(spans, startup))
        windows = _within(states.levels_of(readings, machines, every=every), spans)
        learned, moved = _learned(lake, source, states.learners(machines), windows, spans)
        if spans is not None and moved:
            spans = [*spans, *all_time(moved)]
            readings = _spoken(lake, source, _with_run_up(spans, startup))
        rows = states.operating_states(readings, states.rules(machines, learned), every=every)
        return Update(_within(rows, spans), spans, {"window": every})

    return bring_up_to_date(
        context,
        lake,
        "operating_states",
        inputs=BODIES[operating_states],
        compute=compute,
        definition=f"{states.VERSION}|{every}",
    )


def window_features(context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile) -> dg.MaterializeResult[Any]:
    """Descriptors of every sensor in every window, brought up to date where readings, snapshots or states changed."""
    from pipelines.changes import touched_windows
    from pipelines.features import windows
    from pipelines.features.scalars import FOLLOWED
    from pipelines.reporting.figures import features_by_day

    source = context.partition_key
    every = register.load().source(source).window

    def compute(taken: Taken) -> Update:
        spans = None
        if news := taken.news:
            told = (news[table] for table in ("readings", *FOLLOWED))
            spans = [Span(*span) for span in touched_windows(*(windows.windows_of(rows, every=every) for rows in told))]
            spans += _restated(news["operating_states"], besides=spans)
        readings = _spoken(lake, source, spans)
        states = lake.read("operating_states", source=source, spans=spans)
        return Update(windows.window_features(readings, states, every=every), spans, {"window": every})

    return bring_up_to_date(
        context,
        lake,
        "window_features",
        inputs=BODIES[window_features],
        compute=compute,
        definition=f"{windows.VERSION}|{every}",
        figure=features_by_day,
    )


def _spoken(lake: Lake, source: str, spans: Sequence[Span] | None) -> pl.DataFrame:
    """Current readings, and what is followed of snapshots as readings; of one name and moment what was read counts."""
    from pipelines.features.scalars import FOLLOWED, scalars

    readings = lake.readings(source=source, spans=spans)
    followed = pl.concat([scalars(table, lake.read(table, source=source, spans=spans)) for table in FOLLOWED])
    if followed.is_empty():
        return readings
    unread = followed.join(readings, on=["machine_id", "sensor", "recorded_at"], how="anti")
    return pl.concat([readings.select(followed.columns), unread])


def _snapshot_features(
    lake: Lake,
    source: str,
    signal: str,
    features_of: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame],
    declared: Sequence[str],
    taken: Taken,
) -> Update:
    """Features of the snapshots that came, and of machines that were declared anew in the columns `declared`."""
    from pipelines.changes import machines_that_differ, touched_moments

    spans = None
    if news := taken.news:
        arrived = news["snapshots"]
        if not arrived.is_empty():
            arrived = arrived.filter(pl.col("signal") == signal)
        spans = [through(*stretch) for stretch in touched_moments(arrived)]
        spans += all_time(machines_that_differ(news["machines"], declared) if declared else [])
    machines = lake.read("machines", source=source)
    rows = [features_of(some, machines) for some in current_snapshots(lake, source=source, signal=signal, spans=spans)]
    nothing = features_of(lake.columns("snapshots"), machines)
    return Update(pl.concat([nothing, *rows]), spans)


def _learned(
    lake: Lake, source: str, learners: Sequence[str], windows: pl.DataFrame, spans: Sequence[Span] | None
) -> tuple[dict[str, "Levels"], list[str]]:
    """Levels of the machines that learn theirs, and those of them whose levels are no longer what their rows say.

    Only where a window that was learned from changed are those looked at again, and they are windows, not readings.
    """
    from pipelines.features import levels

    if spans is None or not learners:
        return levels.learned(windows.filter(pl.col("machine_id").is_in(learners))), []
    newest = lake.newest_moment("operating_states", source=source, time="recorded_at") or FIRST
    recent = [Span(newest - RECENT, LAST, tuple(learners))]
    known = levels.standing(lake.read("operating_states", source=source, spans=recent))
    since = {
        name: min((span.since for span in spans if name in span.machines or not span.machines), default=LAST)
        for name in learners
    }
    due = levels.unsettled(known, since)
    spoken = pl.col("level").is_not_null()  # while a machine learns these are few, however long its sensor is silent
    rows = lake.read("operating_states", source=source, spans=all_time(due), where=spoken)
    columns = ("machine_id", "recorded_at", "window_s", "level")
    kept, new = rows.filter(~rows_within(spans, "recorded_at")), windows.filter(pl.col("machine_id").is_in(due))
    found = levels.learned(pl.concat([kept.select(columns), new.select(columns)]))
    before, nothing = levels.standing(rows), levels.Levels()
    return known | found, [name for name in due if found.get(name, nothing) != before.get(name, nothing)]


def _restated(states: pl.DataFrame, *, besides: Sequence[Span]) -> list[Span]:
    """Windows of each machine whose state changed although none of its readings did."""
    from pipelines.changes import touched_windows

    if states.is_empty():
        return []
    others = states.filter(~rows_within(besides, "recorded_at")).partition_by("machine_id", as_dict=True)
    return [Span(*span, (str(name),)) for (name,), rows in others.items() for span in touched_windows(rows)]


def _with_run_up(spans: Sequence[Span] | None, startup: timedelta) -> list[Span] | None:
    """The spans and what lies one start-up before them."""
    if spans is None:
        return None
    return [span._replace(since=max(span.since - startup, FIRST)) for span in spans]


def _within(rows: pl.DataFrame, spans: Sequence[Span] | None) -> pl.DataFrame:
    if spans is None:
        return rows
    return rows.with_columns(day=pl.col("recorded_at").dt.date()).filter(rows_within(spans, "recorded_at")).drop("day")


BODIES: Mapping[Callable[..., dg.MaterializeResult[Any]], Sequence[str]] = {
    vibration_features: ["snapshots", "machines"],
    sound_features: ["snapshots", "machines"],
    operating_states: ["readings", "vibration_features", "sound_features", "machines"],
    window_features: ["readings", "vibration_features", "sound_features", "operating_states"],
}
"""What each follows from."""


@dg.multi_asset(
    name="manipulation",
    specs=specs_of("manipulation", BODIES, kinds={"polars", "deltalake"}),
    partitions_def=SOURCES,
    can_subset=True,
)
def manipulation(
    context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile
) -> Iterator[dg.MaterializeResult[Any]]:
    """What every sensor did, and what its machine did meanwhile."""
    for body in BODIES:
        if dg.AssetKey(body.__name__) in context.selected_asset_keys:
            yield body(context, lake, register)
