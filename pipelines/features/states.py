"""Operating states: off, idle, running or starting up, by one sensor of the machine and the levels of its rule."""

from collections.abc import Mapping
from datetime import timedelta

import polars as pl

from pipelines.features.levels import Levels
from pipelines.features.windows import seconds, window_length, windows_of

VERSION = "operating-states/1"
RULE = ("running_sensor", "running_above", "idle_above", "startup_s")
"""What the states take from a machine's row."""
WINDOW = ["machine_id", "recorded_at"]


def operating_states(readings: pl.DataFrame, rules: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """State of every machine in every window that holds a reading of it.

    A reading of the rule's sensor above `running_above` is running, else one above `idle_above` idle, else off.
    Running is start-up for as long as the rule says after the last reading that was off or idle.

    Args:
        readings: Current readings: whole windows of them, and what lies one start-up before; `bad` ones are left out.
        rules: As `rules` gives them.
        every: Length of a window.
    Returns:
        Columns of `operating_states` without `day` and `run_id`, one row a machine and window, in that order.
    """
    spoken = readings.filter(pl.col("quality") != "bad")
    start = pl.col("recorded_at").dt.truncate(every)
    windows = spoken.select("source", "machine_id", start).unique()
    shares = _judged(spoken, rules).group_by("machine_id", start).agg(*_SHARES, level=pl.col("value").median())
    silent = pl.when(pl.col("level").is_null()).then(pl.lit("silent"))
    return (
        windows.join(rules.drop("startup_s"), on="machine_id", how="left")
        .join(shares, on=WINDOW, how="left")
        .with_columns(
            window_s=seconds(every),
            basis=pl.col("basis").fill_null("none"),
            reason=pl.when(pl.col("basis").is_null()).then(pl.lit("no_rule")).otherwise(pl.coalesce("reason", silent)),
        )
        .with_columns(state=_STATE)
        .sort(WINDOW)
    )


def rules(machines: pl.DataFrame, learned: Mapping[str, Levels]) -> pl.DataFrame:
    """The rule of each machine that has one, by the columns of `operating_states` that tell it, and `startup_s`.

    Args:
        machines: `machines` contract.
        learned: Levels of the machines that learn theirs; one that is missing is still learning.
    """
    declared = machines.drop_nulls("running_sensor")
    learning = {name: learned.get(name, Levels()) for name in learners(machines)}
    levels = pl.DataFrame(
        [(name, *told) for name, told in learning.items()],
        schema={"machine_id": pl.String, **_LEVELS},
        orient="row",
    )
    by_hand = declared.drop_nulls("running_above").select(
        *_RULED, "running_above", "idle_above", basis=pl.lit("declared")
    )
    by_history = (
        declared.filter(pl.col("running_above").is_null())
        .select(*_RULED, basis=pl.lit("learned"))
        .join(levels, on="machine_id")
    )
    return pl.concat([by_hand, by_history], how="diagonal")


def learners(machines: pl.DataFrame) -> list[str]:
    """Machines whose levels are learned."""
    learning = pl.col("running_sensor").is_not_null() & pl.col("running_above").is_null()
    return machines.filter(learning)["machine_id"].to_list()


def longest_startup(machines: pl.DataFrame) -> timedelta:
    """Longest start-up of any machine: so far back a state looks."""
    return timedelta(seconds=int(machines["startup_s"].fill_null(0).max() or 0))  # type: ignore[arg-type]


def windows_behind(readings: pl.DataFrame, *, every: str, startup: timedelta) -> pl.DataFrame:
    """Windows whose state may follow from changed readings: those they lie in, each with a start-up behind it.

    Args:
        readings: Rows with `recorded_at`; empty (also without columns) where nothing changed.
        every: Length of a window.
        startup: Longest one.
    Returns:
        `recorded_at` and `window_s`, the latter so much longer, in whole windows.
    """
    windows = windows_of(readings, every=every)
    if windows.is_empty():
        return windows
    length = window_length(every)
    behind = -(-startup // length) * length
    return windows.with_columns(pl.col("window_s") + int(behind.total_seconds()))


def levels_of(readings: pl.DataFrame, machines: pl.DataFrame, *, every: str) -> pl.DataFrame:
    """Where the sensor of each rule stood in each window: `machine_id`, `recorded_at`, `window_s`, `level` (median)."""
    sensors = machines.select("machine_id", sensor="running_sensor").drop_nulls()
    return (
        readings.filter(pl.col("quality") != "bad")
        .join(sensors, on=["machine_id", "sensor"])
        .group_by("machine_id", pl.col("recorded_at").dt.truncate(every))
        .agg(level=pl.col("value").median())
        .with_columns(window_s=seconds(every))
    )


def _judged(spoken: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """Readings of the rules' sensors, each off, idle, running or in start-up; nulls where a rule has no levels."""
    value, at = pl.col("value"), pl.col("recorded_at")
    rested_at = pl.when(~pl.col("runs")).then(at).forward_fill().over("machine_id")
    idles = (value > pl.col("idle_above")).fill_null(value=False)
    starts = (at < rested_at + pl.duration(seconds="startup_s")).fill_null(value=False)
    is_told = pl.col("runs").is_not_null()
    return (
        spoken.join(rules, on=["machine_id", "sensor"])
        .sort("machine_id", "recorded_at")
        .with_columns(runs=value > pl.col("running_above"))
        .with_columns(idles=pl.when(is_told).then(idles), starts=pl.when(is_told).then(starts))
    )


_SHARES = (
    (~pl.col("runs") & ~pl.col("idles")).mean().alias("off_share"),
    (~pl.col("runs") & pl.col("idles")).mean().alias("idle_share"),
    (pl.col("runs") & ~pl.col("starts")).mean().alias("running_share"),
    (pl.col("runs") & pl.col("starts")).mean().alias("startup_share"),
)
_STATE = (
    pl.when(pl.col("reason").is_not_null())
    .then(pl.lit("unknown"))
    .when(pl.col("off_share") == 1)
    .then(pl.lit("off"))
    .when(pl.col("idle_share") == 1)
    .then(pl.lit("idle"))
    .when(pl.col("running_share") == 1)
    .then(pl.lit("running"))
    .when(pl.col("off_share") + pl.col("idle_share") == 0)
    .then(pl.lit("startup"))
    .otherwise(pl.lit("mixed"))
)
_RULED = ("machine_id", pl.col("running_sensor").alias("sensor"), "startup_s")
_LEVELS: dict[str, pl.DataType | type[pl.DataType]] = {
    "running_above": pl.Float64,
    "idle_above": pl.Float64,
    "learned_until": pl.Datetime("us", "UTC"),
    "reason": pl.String,
}
