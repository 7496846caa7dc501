"""`smartmaint demo`: a simulated plant lived through day by day, and what came of it."""

import shlex
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.progress import track

from jobs.failures import CommandError
from jobs.output import OUT, print_table
from jobs.runs import Ran, Runner, opened
from pipelines.reporting import story
from pipelines.simulation.plant import HEALTHY_DAYS, Plant, register_text, simulate
from resources.home import Home
from resources.inbox import Inbox, sha256
from resources.lake import Lake
from resources.processes import peak_memory_mb
from resources.register import RegisterFile
from resources.settings import from_environment

SOURCE = "plant"
QUESTION = "select machine_id, verdict, confidence, reasons from verdicts"


def live(root: Path, *, seed: int, days: int, quiet: bool) -> dict[str, Any]:
    """Land each day of the plant in its evening and run the graph; print and return what was said.

    A day that has landed before is passed over; nothing that follows from it is computed again.

    Args:
        root: Home.
        seed: Of the plant.
        days: Length.
        quiet: Print nothing.
    Raises:
        CommandError: A run failed, or another plant lives in this home.
    """
    begun = time.monotonic()
    plant = simulate(seed=seed, days=days)
    home, inbox = Home(root), Inbox(root=str(root))
    with opened(root) as runner:
        _refuse_another(plant, inbox)
        RegisterFile(machines=str(home.machines), crew=str(home.crew)).declare(register_text(plant, source=SOURCE))
        new = _live_through(plant, runner, inbox, quiet=quiet)
    document = {
        **_told(plant, Lake(root=str(home.lake))),
        "days": days,
        "days_new": new,
        "seconds": round(time.monotonic() - begun, 1),
        "peak_memory_mb": peak_memory_mb(),
        "home": str(root),
    }
    if not quiet:
        _print(document)
    return document


def _refuse_another(plant: Plant, inbox: Inbox) -> None:
    """Every day depends on seed and number of days: days of two plants would make one that never was."""
    with tempfile.TemporaryDirectory() as folder:
        first = sha256(_day_file(plant, 0, Path(folder)))
    if inbox.archived(source=SOURCE) and not inbox.has_archived(first, source=SOURCE):
        raise CommandError(
            f"another plant lives in {inbox.root}: name the --seed and the --days that it was made with, or another "
            "--home"
        )


def _live_through(plant: Plant, runner: Runner, inbox: Inbox, *, quiet: bool) -> int:
    """Days that were new; each is landed and run with the clock at its end."""
    new = 0
    with tempfile.TemporaryDirectory() as folder:
        numbers = range(plant.days) if quiet else track(range(plant.days), "living through the days", console=OUT)
        for number in numbers:
            file = _day_file(plant, number, Path(folder))
            if inbox.has_archived(sha256(file), source=SOURCE) and number < plant.days - 1:
                continue
            new += not inbox.has_archived(sha256(file), source=SOURCE)
            evening = runner.at((plant.start + timedelta(days=number + 1)).isoformat())
            files = [inbox.put(file, source=SOURCE)]
            if number == plant.days - 1:
                files.append(inbox.put(_truth_file(plant, Path(folder)), source=SOURCE))
            _succeeded(evening.run("micro_batch", source=SOURCE, files=files))
            _succeeded(evening.run("plan"))
    return new


def _day_file(plant: Plant, number: int, folder: Path) -> Path:
    path = folder / f"{plant.start + timedelta(days=number):%Y-%m-%d}.parquet"
    plant.day(number).write_parquet(path)
    return path


def _truth_file(plant: Plant, folder: Path) -> Path:
    """What people found out by the last day: it lands as labels, which nothing that scores may read."""
    path = folder / "truth.parquet"
    plant.truth.write_parquet(path)
    return path


def _succeeded(ran: Ran) -> None:
    if ran.failures:
        raise CommandError(f"run {ran.run_id}: {'; '.join(ran.failures)}")


def _told(plant: Plant, lake: Lake) -> dict[str, Any]:
    import polars as pl

    full = {name: f"{SOURCE}.{name}" for name in plant.machines}
    healthy_until = plant.start + timedelta(days=HEALTHY_DAYS)
    truth = story.Truth(
        onset={full[name]: plant.start + timedelta(hours=fault.onset_h) for name, fault in plant.faults.items()},
        fails_at={full[name]: at for name, at in plant.fails_at.items()},
        machines=tuple(full.values()),
        since=healthy_until,
        until=plant.start + timedelta(days=plant.days),
    )
    orders, forecasts = lake.read("work_orders", source=SOURCE), lake.read("forecasts", source=SOURCE)
    readings = plant.readings.with_columns(machine_id=pl.lit(f"{SOURCE}.") + pl.col("machine_id"))
    told = story.repairs(orders, forecasts, truth)
    ordered = set(orders.filter(pl.col("status") == "proposed")["machine_id"])
    return {
        "repairs": told,
        "plan": _standing_plan(orders),
        "alarms": vars(story.score_alarms(lake.read("alarms", source=SOURCE), truth)),
        "three_sigma": vars(story.score_alarms(story.three_sigma(readings, healthy_until=healthy_until), truth)),
        "forecasts": story.forecast_errors(forecasts, truth),
        "failing_machines": len(truth.fails_at),
        "repaired_in_time": story.kept_in_time(told, truth),
        "healthy_machines": len(truth.machines) - len(truth.onset),
        "healthy_machines_with_order": len(ordered - set(truth.onset)),
    }


def _standing_plan(orders: Any) -> list[dict[str, Any]]:
    import polars as pl

    newest = orders.filter(pl.col("planned_at") == pl.col("planned_at").max()).sort("starts_at")
    columns = ["machine_id", "kind", "failure_mode", "status", "technician", "starts_at", "ends_at", "due_at", "note"]
    rows: list[dict[str, Any]] = newest.select(columns).to_dicts()
    return rows


def _print(document: dict[str, Any]) -> None:
    OUT.print()
    print_table(
        "Machines at risk, as first said, and the slot that was proposed",
        ["machine", "mode", "said on", "fails in h (90 %)", "straight line", "really", "slot", "before failure"],
        [
            (
                row["machine"],
                row["failure_mode"],
                row["first_planned_at"],
                _interval(row),
                _or_never(row["straight_line_h"]),
                _or_never(row["really_h"]),
                f"{row['slot_from']:%m-%d %H:%M} {row['technician']}",
                _or_never(row["slot_begins_before_failure_h"]),
            )
            for row in document["repairs"]
        ],
    )
    OUT.print()
    print_table(
        "The plan that stands on the last evening (proposed only: a person approves)",
        ["machine", "job", "status", "who", "from", "until", "due", "note"],
        [
            (
                r["machine_id"],
                r["kind"],
                r["status"],
                r["technician"],
                r["starts_at"],
                r["ends_at"],
                r["due_at"],
                r["note"],
            )
            for r in document["plan"]
        ],
    )
    OUT.print()
    _print_scores(document)
    OUT.print(
        f"\n{document['days']} days, {document['days_new']} of them new, in {document['seconds']} s; "
        f"peak memory {document['peak_memory_mb']} MB"
    )
    is_default = Path(document["home"]) == from_environment().home
    home = "" if is_default else f" --home {shlex.quote(document['home'])}"
    OUT.print(f"Look further:  smartmaint up{home}")
    OUT.print(f"               smartmaint sql{home} '{QUESTION}'")


def _print_scores(document: dict[str, Any]) -> None:
    ours, sigma, errors = document["alarms"], document["three_sigma"], document["forecasts"]
    rows = [
        (
            "faults found",
            f"{ours['found']} of {ours['faults']}",
            f"{sigma['found']} of {sigma['faults']}",
            "three sigma",
        ),
        ("false alarms a machine-week", ours["false_per_machine_week"], sigma["false_per_machine_week"], "three sigma"),
        (
            f"median error of TTF, last 5 days (n={errors['n']})",
            _share(errors["prophet"]),
            _share(errors["straight_line"]),
            f"straight line; constant 60 h: {_share(errors['constant'])}",
        ),
        ("TTF intervals that held (90 % nominal)", _share(errors["covered"]), "-", ""),
        (
            f"healthy machines given a TTF, of {document['healthy_machines']}",
            errors["prophet_on_healthy"],
            errors["straight_line_on_healthy"],
            "straight line",
        ),
        ("healthy machines with a work order", document["healthy_machines_with_order"], "-", ""),
        (
            "failing machines with a slot 12 h before",
            f"{document['repaired_in_time']} of {document['failing_machines']}",
            "-",
            "",
        ),
    ]
    print_table("Against what really happened", ["", "here", "baseline", ""], rows)


def _interval(row: dict[str, Any]) -> str:
    high = "more" if row["ttf_high_h"] is None else f"{row['ttf_high_h']:.0f}"
    return f"{row['ttf_h']:.0f} ({row['ttf_low_h']:.0f} to {high})"


def _or_never(hours: float | None) -> str:
    return "never" if hours is None else f"{hours:.0f} h"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
