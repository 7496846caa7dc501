"""Manipulation: readings become features. Belongs here: descriptors. Does not: what they mean for a machine."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from assets.partitions import SOURCES
from assets.upkeep import Update, bring_up_to_date, specs_of
from resources.lake import Lake, Taken
from resources.register import RegisterFile
from resources.spans import FIRST, LAST, Span, all_time, rows_within

if TYPE_CHECKING:
    from pipelines.features.levels import Levels

RECENT = timedelta(days=1)


def operating_states(
    context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile
) -> dg.MaterializeResult[Any]:
    """Whether each machine was off, idle, running or starting up in each window, by declared or learned levels."""
    from pipelines.changes import machines_that_differ, touched_windows
    from pipelines.features import states

    source = context.partition_key
    every = register.load().source(source).window

    def compute(taken: Taken) -> Update:
        machines, spans = lake.read("machines", source=source), None
        startup = states.longest_startup(machines)
        if news := taken.news:
            retuned = machines_that_differ(news["machines"], states.RULE)
            touched = touched_windows(states.windows_behind(news["readings"], every=every, startup=startup))
            spans = [*(Span(*span) for span in touched), *all_time(retuned)]
        readings = lake.readings(source=source, spans=_with_run_up(spans, startup))
        windows = _within(states.levels_of(readings, machines, every=every), spans)
        learned, moved = _learned(lake, source, states.learners(machines), windows, spans)
        if spans is not None and moved:
            spans = [*spans, *all_time(moved)]
            readings = lake.readings(source=source, spans=_with_run_up(spans, startup))
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
    """Descriptors of every sensor in every window, brought up to date where readings or states changed."""
    from pipelines.changes import touched_windows
    from pipelines.features import windows
    from pipelines.reporting.figures import features_by_day

    source = context.partition_key
    every = register.load().source(source).window

    def compute(taken: Taken) -> Update:
        spans = None
        if news := taken.news:
            spans = [Span(*span) for span in touched_windows(windows.windows_of(news["readings"], every=every))]
            spans += _restated(news["operating_states"], besides=spans)
        readings = lake.readings(source=source, spans=spans)
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
    operating_states: ["readings", "machines"],
    window_features: ["readings", "operating_states"],
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
