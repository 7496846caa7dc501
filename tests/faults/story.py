"""One small story, told again and again: a machine gets hot, its file lands, the graph plans a repair."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import pytest
from faults.invariants import Findings, Put, examine
from faults.warm import Warm
from homes import telemetry

from resources.home import Home
from resources.inbox import Inbox
from resources.lake import Lake

SLOW = pytest.mark.slow
DAY = "2026-01-07"
LONG_AGO_S = 1_700_000_000
AN_HOUR_S = 3700.0
REGISTER = """
[sources.line]
importer = "readings"
window = "30m"

[[machines]]
id = "line.pump-1"
criticality = "high"
healthy = [2026-01-05T00:00:00Z, 2026-01-06T00:00:00Z]
failures = [{ mode = "overheating", sensor = "temperature_c", threshold = 90.0, repair_hours = 4.0 }]
"""
HOT = telemetry(60, every_min=30, ramp_from=24)


def most(default: int) -> int:
    """How many points of one kind are tried: `SMARTMAINT_FAULTS` is `all` or a number; without it, a sample for CI."""
    told = os.environ.get("SMARTMAINT_FAULTS")
    return default if told is None else 1_000_000 if told == "all" else int(told)


def expected(*frames: pl.DataFrame, source: str = "line") -> pl.DataFrame:
    """Current readings that must result when these land in this order."""
    rows = pl.concat([frame.select("machine_id", "sensor", "recorded_at", "value") for frame in frames])
    rows = rows.unique(("machine_id", "sensor", "recorded_at"), keep="last", maintain_order=True)
    return rows.with_columns(machine_id=pl.lit(f"{source}.") + pl.col("machine_id"))


def content(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def put(*paths: Path, source: str = "line", readings: pl.DataFrame | None = None) -> Put:
    """What a test put in, for the checker."""
    return Put({source: {content(path) for path in paths}}, readings)


def copied(home: Path, to: Path) -> Path:
    """A copy of a home that stands on its own: `dagster.yaml` names absolute paths, and would name the first one's."""
    shutil.copytree(home, to)
    Home(to).prepare()
    return to


@dataclass
class Twins:
    """Homes that took the same originals undisturbed, made once for each set of originals."""

    warm: Warm
    folder: Path
    made: dict[tuple[str, ...], Path]

    def of(self, root: Path, *, day: str | None = DAY) -> Path:
        """A fresh home fed with the archived originals of another, in the order in which they landed.

        Args:
            root: The other home.
            day: At whose end the clock stands; None for the present.
        """
        home = Home(root)
        originals = landed_in_order(home)
        told = (str(day), home.machines.read_text(), *(f"{source}/{batch}" for source, batch in originals))
        if told not in self.made:
            twin = Home(self.folder / f"twin-{len(self.made)}")
            twin.prepare()
            twin.machines.write_text(home.machines.read_text())
            for place, ((source, batch), original) in enumerate(originals.items()):
                copy = self.folder / f"{place:04}-{batch[:8]}{original.suffix}"
                shutil.copyfile(original, copy)
                arrived = twin.landing / Inbox(root=str(twin.root)).put(copy, source=source)
                os.utime(arrived, (LONG_AGO_S + place, LONG_AGO_S + place))  # taken in this order, and at once
            if originals:
                done = self.warm.smartmaint(twin.root, "run", *(("--day", day) if day else ()))
                assert done.status == 0, done.output
            self.made[told] = twin.root
        return self.made[told]


def landed_in_order(home: Home) -> Mapping[tuple[str, str], Path]:
    """Archived originals by source and batch, oldest landing first; those without a row come last."""
    rows = Lake(root=str(home.lake)).read("readings").group_by("batch_id").agg(pl.col("batch_seq").min())
    order = dict(rows.iter_rows())
    found = {(path.parent.parent.parent.name, path.parent.name): path for path in _originals(home)}
    return dict(sorted(found.items(), key=lambda entry: (order.get(entry[0][1], 1 << 62), entry[0])))


def _originals(home: Home) -> list[Path]:
    return sorted((home.root / "archive").glob("*/??/*/original*"))


def recovered(warm: Warm, twins: Twins, root: Path, told: Put, *, again: Sequence[str] = ()) -> Findings:
    """One further plain run and the doctor, whom `smartmaint up` asks at every start; then the checker.

    Args:
        warm: Runs the commands.
        twins: Undisturbed homes.
        root: The home that met a fault.
        told: What was put in.
        again: The command that the fault met, where anybody would repeat it.
    """
    commands = [words for words in (again, ("run", "--day", DAY)) if words]
    outcomes = [warm.smartmaint(root, *words) for words in commands]
    outcomes.append(warm.run("faults.acts:doctor_later", str(root), AN_HOUR_S))
    failed = [f"a recovery failed: {outcome.output[-400:]}" for outcome in outcomes if outcome.status]
    findings = examine(root, told, twin=twins.of(root))
    return replace(findings, breaches=(*failed, *findings.breaches))
