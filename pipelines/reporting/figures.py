"""Plots of each table, as PNG of at most 60 kB: the Dagster UI shows them beside the numbers."""

import io
from collections.abc import Callable, Sequence

import polars as pl
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

SIZE = (7.0, 2.6)
MOST_BYTES = 60_000
DPI = (72, 48, 24, 12)  # a plot too crowded for its bytes is drawn coarser
COLOURS = {"credible": "#b3261e", "suspect": "#d98a00", "needs_evidence": "#5b6b7a", "false_positive": "#9fb3a8"}
URGENCY = {"none": 0, "low": 1, "medium": 2, "high": 3}


def rows_by_day(days: pl.DataFrame) -> bytes:
    """Bars of `rows` for each `day`."""
    return _drawn("values a day", lambda axes: axes.bar(days["day"].to_list(), days["rows"].to_list(), color="#33658a"))


def features_by_day(features: pl.DataFrame) -> bytes:
    """Windows of each state for each day."""
    counts = features.select("day", "machine_id", "recorded_at", "state").unique().group_by("day", "state").len()
    wide = counts.pivot("state", index="day", values="len").fill_null(0).sort("day")

    def draw(axes: Axes) -> None:
        bottom = [0] * wide.height
        for state in sorted(set(wide.columns) - {"day"}):
            axes.bar(wide["day"].to_list(), wide[state].to_list(), bottom=bottom, label=state)
            bottom = [low + high for low, high in zip(bottom, wide[state].to_list(), strict=True)]
        axes.legend(fontsize=7)

    return _drawn("machine windows a day, by state", draw)


def score_map(scores: pl.DataFrame) -> bytes:
    """Median score by machine and day, dark is worse."""
    daily = scores.group_by("machine_id", "day").agg(pl.col("score").median()).sort("day")
    wide = daily.pivot("day", index="machine_id", values="score").sort("machine_id")

    def draw(axes: Axes) -> None:
        axes.imshow(wide.drop("machine_id").cast(pl.Float64).to_numpy(), aspect="auto", cmap="YlOrRd", vmin=0.5, vmax=1)
        _machines(axes, wide["machine_id"].to_list())
        axes.set_xlabel(f"day, from {''.join(wide.columns[1:2])}", fontsize=7)

    return _drawn("median score a day", draw, rows=wide.height)


def episode_bars(alarms: pl.DataFrame) -> bytes:
    """Episodes by machine over time."""
    machines = alarms["machine_id"].unique().sort().to_list()

    def draw(axes: Axes) -> None:
        for row in alarms.to_dicts():
            y, span = machines.index(row["machine_id"]), [row["started_at"], row["last_at"]]
            axes.plot(span, [y, y], color="#33658a", linewidth=6, solid_capstyle="butt", marker="|")
        _machines(axes, machines)

    return _drawn("episodes", draw, rows=len(machines))


def confidence_bars(verdicts: pl.DataFrame) -> bytes:
    """Confidence of every verdict over time."""

    def draw(axes: Axes) -> None:
        for (verdict,), rows in verdicts.partition_by("verdict", as_dict=True).items():
            colour = COLOURS[str(verdict)]
            axes.scatter(rows["started_at"].to_list(), rows["confidence"].to_list(), color=colour, label=str(verdict))
        axes.set_ylim(0, 1.05)
        axes.legend(fontsize=7)

    return _drawn("confidence by verdict", draw)


def health_lines(health: pl.DataFrame) -> bytes:
    """Health of every machine by day, the 10 % quantile of its windows; the five that were lowest last are named."""
    known = health.drop_nulls("health")
    daily = known.group_by("machine_id", "day").agg(pl.col("health").quantile(0.1)).sort("machine_id", "day")
    last = daily.group_by("machine_id").agg(pl.col("health").last()).sort("health", "machine_id")
    worst = last["machine_id"].head(5).to_list()

    def draw(axes: Axes) -> None:
        for (machine,), rows in daily.partition_by("machine_id", as_dict=True).items():
            named = machine in worst
            axes.plot(
                rows["day"].to_list(),
                rows["health"].to_list(),
                color=None if named else "#c8cfd6",
                linewidth=1.6 if named else 0.8,
                label=str(machine) if named else None,
            )
        axes.set_ylim(-0.03, 1.03)
        if worst:
            axes.legend(fontsize=6, loc="lower left")

    return _drawn("health, 1 is as new, 0 is the declared end of life", draw)


def interval_bars(forecasts: pl.DataFrame) -> bytes:
    """Time to failure with its interval, of the newest forecasts."""
    newest = forecasts.filter(pl.col("issued_at") == pl.col("issued_at").max()).drop_nulls("ttf_h")
    names = [f"{machine} {mode}" for machine, mode in newest.select("machine_id", "failure_mode").rows()]

    def draw(axes: Axes) -> None:
        for y, row in enumerate(newest.to_dicts()):
            high = row["ttf_high_h"] if row["ttf_high_h"] is not None else row["ttf_h"] * 2
            axes.plot([row["ttf_low_h"], high], [y, y], color="#d98a00", linewidth=5, solid_capstyle="butt")
            axes.plot([row["ttf_h"]], [y], marker="o", color="#b3261e")
        _machines(axes, names)
        axes.set_xlabel("hours from now", fontsize=7)

    return _drawn("time to failure, 90 % interval" if names else "no time to failure", draw, rows=len(names))


def urgency_map(decisions: pl.DataFrame) -> bytes:
    """Confidence against urgency of the newest decisions."""
    newest = decisions.filter(pl.col("decided_at") == pl.col("decided_at").max())

    def draw(axes: Axes) -> None:
        for row in newest.to_dicts():
            x, y = URGENCY[row["urgency"]], row["confidence"]
            axes.scatter([x], [y], color="#b3261e" if row["action"] == "plan" else "#33658a")
            if row["action"] != "monitor":
                axes.annotate(f" {row['machine_id']}: {row['action']}", (x, y), fontsize=6)
        axes.set_xticks(list(URGENCY.values()), list(URGENCY))
        axes.set_ylim(-0.05, 1.1)

    return _drawn("confidence by urgency, newest decisions", draw)


def gantt(work_orders: pl.DataFrame) -> bytes:
    """The plan that stands: who does what when, with the due times."""
    newest = work_orders.filter(pl.col("planned_at") == pl.col("planned_at").max()).drop_nulls("starts_at")
    people = newest["technician"].unique().sort().to_list()

    def draw(axes: Axes) -> None:
        for row in newest.to_dicts():
            y = people.index(row["technician"])
            axes.plot([row["starts_at"], row["ends_at"]], [y, y], linewidth=9, solid_capstyle="butt", color="#33658a")
            axes.plot([row["due_at"]], [y], marker="|", markersize=12, color="#b3261e")
            axes.annotate(row["machine_id"], (row["starts_at"], y + 0.25), fontsize=6)
        _machines(axes, people)

    return _drawn("plan; red marks are due times", draw, rows=len(people))


def _drawn(title: str, draw: Callable[[Axes], object], *, rows: int = 6) -> bytes:
    height = max(SIZE[1], 0.22 * rows + 0.8)
    figure = Figure(figsize=(SIZE[0], height))
    # fixed margins: matplotlib's own layout draws every figure twice
    figure.subplots_adjust(left=0.2, right=0.97, top=1 - 0.3 / height, bottom=0.42 / height)
    axes = figure.subplots()
    axes.set_title(title, fontsize=9, loc="left")
    axes.tick_params(labelsize=7)

    draw(axes)
    formatter = axes.xaxis.get_major_formatter()
    if type(formatter).__name__ == "AutoDateFormatter":
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))  # type: ignore[no-untyped-call]
    axes.spines[["top", "right"]].set_visible(False)
    for dpi in DPI:
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=dpi)
        if out.tell() <= MOST_BYTES:
            break
    return out.getvalue()


def _machines(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), list(names), fontsize=6)
