"""The machine register: what people declare about sources and machines, read from one TOML file."""

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from pipelines.contracts.vocabulary import CRITICALITIES, ISO_LIMITS_MM_S, NAME, SOURCE
from pipelines.failures import StatedError

MACHINE_ID = SOURCE.rstrip("$") + r"\..+$"
WINDOW = "10m"
WINDOWS = ("1m", "5m", "10m", "15m", "30m", "1h", "2h", "4h")
SOURCE_KEYS = {"importer", "window", "zone", "healthy", "table"}
MACHINE_KEYS = {
    "id", "class", "site", "criticality", "running", "nominal", "failures", "healthy", "bearing", "speed_rpm",
    "iso_class",
}  # fmt: skip
RUNNING_KEYS = {"sensor", "above", "idle_above", "startup", "learn"}
LONGEST_STARTUP = timedelta(days=1)
ROWS = "machines/4"
"""Form of the rows made of a register: a new one reaches homes whose file stays as it is."""
FAILURE_KEYS = {"mode", "sensor", "threshold", "direction", "skill", "repair_hours"}

Span = tuple[datetime, datetime]


class RegisterError(StatedError):
    """The register says something that cannot be read; the message names the entry and what is expected."""


@dataclass(frozen=True)
class FailureMode:
    """A declared end of life: the sensor's value at which the function counts as lost.

    `direction` says on which side of it: `above` or `below`; None: on the other side than the healthy level.
    """

    failure_mode: str
    sensor: str
    threshold: float
    direction: str | None = None
    skill: str = "mechanical"
    repair_h: float = 4.0


class RunningRule(NamedTuple):
    """By which sensor a machine is off, idle or running.

    Attributes:
        sensor: Whose readings tell it.
        above: It runs above this value; None where the levels are learned from its first windows.
        idle_above: It idles above this one, up to `above`; None: what does not run is off.
        startup: After it was off or idle it is starting up for so long.
    """

    sensor: str
    above: float | None
    idle_above: float | None = None
    startup: timedelta = timedelta()

    @property
    def is_learned(self) -> bool:
        return self.above is None


@dataclass(frozen=True)
class Machine:
    """One machine.

    Attributes:
        healthy: Its known-good span in event time; None where the source's holds or none is known.
        bearing: Designation or geometry (`pipelines.features.bearings`) of that which its channels listen to.
        speed_rpm: Of its shaft, where snapshots do not say it.
        iso_class: Of `ISO_LIMITS_MM_S`; None where ISO 20816-3 does not apply, as on a test rig.
    """

    machine_id: str
    machine_class: str = "unspecified"
    site: str = "unspecified"
    criticality: str = "medium"
    running: RunningRule | None = None
    healthy: Span | None = None
    nominal: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    failures: tuple[FailureMode, ...] = ()
    bearing: str | None = None
    speed_rpm: float | None = None
    iso_class: str | None = None


@dataclass(frozen=True)
class Source:
    """One plant, line or data set: how its files are read and how long its windows are.

    `zone` is the IANA name of the clock that wrote times without a zone; `table` says which column of a plain table is
    what, for the importer `table` (`pipelines.importers.mapping`); None where the format is known.
    """

    name: str
    importer: str = "readings"
    window: str = WINDOW
    healthy: Span | None = None
    zone: str = "UTC"
    table: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Register:
    """Everything declared. `version` changes with any character of the file."""

    version: str
    sources: Mapping[str, Source]
    machines: Mapping[str, Machine]

    def source(self, name: str) -> Source:
        """What is declared of a source; the defaults where nothing is."""
        return self.sources.get(name, Source(name))

    def machines_frame(self, source: str, *, observed: Iterable[str] = ()) -> pl.DataFrame:
        """The machines of one source, in the columns of the `machines` contract, rows in order of id.

        Args:
            source: Whose machines.
            observed: Machines that sent readings; those that are not declared are listed with the defaults.
        """
        from pipelines.contracts.enforce import empty  # pandera loads when a step needs it
        from pipelines.contracts.machines import MACHINES

        span = self.source(source).healthy
        ids = sorted({name for name in self.machines if name.startswith(f"{source}.")} | set(observed))
        rows = [_row(source, self.machines.get(name, Machine(name)), span, self.version) for name in ids]
        return pl.DataFrame(rows, schema=empty(MACHINES).schema)


def parse_register(text: str) -> Register:
    """Read the register.

    Raises:
        RegisterError: Not TOML, an unknown key, a wrong type, a duplicate machine, a machine of no source.
    """
    try:
        declared = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RegisterError(f"not readable as TOML: {error}") from None
    _known(declared, {"sources", "machines"}, "the top level")
    sources = {name: _source(name, entry) for name, entry in _table(declared, "sources", "the top level").items()}
    machines: dict[str, Machine] = {}
    for number, entry in enumerate(_list(declared, "machines", "the top level"), start=1):
        machine = _machine(f"machine {number}", entry)
        if machine.machine_id in machines:
            raise RegisterError(f"machine {number}: {machine.machine_id!r} is declared twice; keep one entry")
        machines[machine.machine_id] = machine
    return Register(hashlib.sha256(text.encode()).hexdigest()[:16], sources, machines)


def _source(name: str, entry: Mapping[str, Any]) -> Source:
    where = f"sources.{name}"
    _named(name, where, pattern=SOURCE)
    _known(entry, SOURCE_KEYS, where)
    window = entry.get("window", WINDOW)
    if window not in WINDOWS:
        raise RegisterError(f"{where}: window is {window!r}; expected one of {', '.join(WINDOWS)}")
    zone = _zone(entry.get("zone", "UTC"), where)
    table = _table(entry, "table", where) or None
    return Source(name, str(entry.get("importer", "readings")), window, _span(entry, where), zone, table)


def _zone(found: Any, where: str) -> str:
    try:
        ZoneInfo(found)
        pl.select(pl.lit(datetime(2026, 1, 1)).dt.replace_time_zone(found))  # noqa: DTZ001 it has rules of its own
    except (ZoneInfoNotFoundError, OSError, TypeError, ValueError, pl.exceptions.PolarsError):
        raise RegisterError(f'{where}: zone is {found!r}; expected an IANA name such as "Europe/Berlin"') from None
    return str(found)


def _machine(where: str, entry: Mapping[str, Any]) -> Machine:
    _known(entry, MACHINE_KEYS, where)
    name = entry.get("id")
    if not isinstance(name, str) or not re.fullmatch(MACHINE_ID, name) or not re.fullmatch(NAME, name):
        raise RegisterError(f'{where}: id is {name!r}; expected text like "plant.pump-1": source, dot, machine')
    where = f"machine {name!r}"
    criticality = entry.get("criticality", "medium")
    if criticality not in CRITICALITIES:
        raise RegisterError(f"{where}: criticality is {criticality!r}; expected one of {', '.join(CRITICALITIES)}")
    return Machine(
        machine_id=name,
        machine_class=_named(entry.get("class", "unspecified"), f"{where}, class"),
        site=_named(entry.get("site", "unspecified"), f"{where}, site"),
        criticality=criticality,
        running=_running(entry, where),
        healthy=_span(entry, where),
        nominal={
            _named(sensor, f"{where}, nominal"): _limits(pair, f"{where}, nominal {sensor}")
            for sensor, pair in _table(entry, "nominal", where).items()
        },
        failures=_failures(entry, where),
        bearing=_named(entry["bearing"], f"{where}, bearing") if "bearing" in entry else None,
        speed_rpm=_speed(entry["speed_rpm"], where) if "speed_rpm" in entry else None,
        iso_class=_iso_class(entry["iso_class"], where) if "iso_class" in entry else None,
    )


def _speed(found: Any, where: str) -> float:
    speed = _number(found, f"{where}, speed_rpm")
    if not 0 < speed <= 1e6:
        raise RegisterError(f"{where}: speed_rpm is {found}; expected more than 0 and at most 1000000")
    return speed


def _iso_class(found: Any, where: str) -> str:
    if found not in ISO_LIMITS_MM_S:
        raise RegisterError(f"{where}: iso_class is {found!r}; expected one of {', '.join(ISO_LIMITS_MM_S)}")
    return str(found)


def _failures(entry: Mapping[str, Any], where: str) -> tuple[FailureMode, ...]:
    failures = [_failure(mode, f"{where}, failure {n}") for n, mode in enumerate(_list(entry, "failures", where), 1)]
    names = [failure.failure_mode for failure in failures]
    for name in names:
        if names.count(name) > 1:
            raise RegisterError(f"{where}: failure mode {name!r} is declared twice; keep one entry")
    return tuple(failures)


def _failure(entry: Mapping[str, Any], where: str) -> FailureMode:
    _known(entry, FAILURE_KEYS, where)
    for key in ("mode", "sensor", "threshold"):
        if key not in entry:
            raise RegisterError(f"{where}: {key} is missing; expected mode, sensor and threshold")
    direction = entry.get("direction")
    if direction not in (None, "above", "below"):
        raise RegisterError(f"{where}: direction is {direction!r}; expected above or below")
    repair_h = _number(entry.get("repair_hours", 4.0), f"{where}, repair_hours")
    if not 0 < repair_h <= 1e4:
        raise RegisterError(f"{where}: repair_hours is {repair_h}; expected more than 0 and at most 10000")
    return FailureMode(
        failure_mode=_named(entry["mode"], f"{where}, mode"),
        sensor=_named(entry["sensor"], f"{where}, sensor"),
        threshold=_number(entry["threshold"], f"{where}, threshold"),
        direction=direction,
        skill=_named(entry.get("skill", "mechanical"), f"{where}, skill"),
        repair_h=repair_h,
    )


def _running(entry: Mapping[str, Any], where: str) -> RunningRule | None:
    rule = entry.get("running")
    if rule is None:
        return None
    learns = isinstance(rule, dict) and rule.get("learn", False)
    levels = {"learn"} if learns else {"above"}
    if not isinstance(rule, dict) or not {"sensor", *levels} <= set(rule) or learns not in (True, False):
        raise RegisterError(
            f'{where}: running is {rule!r}; expected {{ sensor = "speed_rpm", above = 100.0 }}, or learn = true '
            "in place of above"
        )
    _known(rule, RUNNING_KEYS, f"{where}, running")
    if learns and (declared := sorted({"above", "idle_above"} & set(rule))):
        raise RegisterError(f"{where}, running: {', '.join(declared)} beside learn = true; expected one or the other")
    above, idle_above = (
        _number(rule[key], f"{where}, running {key}") if key in rule else None for key in ("above", "idle_above")
    )
    if above is not None and idle_above is not None and idle_above >= above:
        raise RegisterError(f"{where}, running: idle_above {idle_above} is not below above {above}")
    startup = _startup(rule.get("startup", "0m"), f"{where}, running startup")
    return RunningRule(_named(rule["sensor"], f"{where}, running sensor"), above, idle_above, startup)


def _startup(found: Any, where: str) -> timedelta:
    told = re.fullmatch(r"(\d{1,5})([smh])", found) if isinstance(found, str) else None
    length = timedelta(**{{"s": "seconds", "m": "minutes", "h": "hours"}[told[2]]: int(told[1])}) if told else None
    if length is None or length > LONGEST_STARTUP:
        raise RegisterError(f'{where}: found {found!r}; expected a length of at most a day, such as "15m" or "1h"')
    return length


def _span(entry: Mapping[str, Any], where: str) -> Span | None:
    span = entry.get("healthy")
    if span is None:
        return None
    if not (isinstance(span, list) and len(span) == 2 and all(isinstance(at, datetime) and at.tzinfo for at in span)):
        raise RegisterError(
            f"{where}: healthy is {span!r}; expected [from, until] as times with a zone, such as 2026-01-01T00:00:00Z"
        )
    since, until = (at.astimezone(UTC) for at in span)
    if since >= until:
        raise RegisterError(f"{where}: healthy ends at {until} before it begins at {since}")
    return since, until


def _limits(pair: Any, where: str) -> tuple[float, float]:
    if not (isinstance(pair, list) and len(pair) == 2):
        raise RegisterError(f"{where}: found {pair!r}; expected [low, high]")
    low, high = (_number(value, where) for value in pair)
    if low >= high:
        raise RegisterError(f"{where}: low {low} is not below high {high}")
    return low, high


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise RegisterError(f"{where}: found {value!r}; expected a number")
    return float(value)


def _named(value: Any, where: str, *, pattern: str = NAME) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise RegisterError(f"{where}: found {value!r}; expected a name that matches {pattern}")
    return value


def _table(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    found = entry.get(key, {})
    if not isinstance(found, dict):
        raise RegisterError(f"{where}: {key} is {found!r}; expected a table")
    return found


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    found = entry.get(key, [])
    if not isinstance(found, list):
        raise RegisterError(f"{where}: {key} is {found!r}; expected a list of tables")
    return found


def _known(entry: Any, keys: set[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise RegisterError(f"{where}: found {entry!r}; expected a table with {', '.join(sorted(keys))}")
    if surplus := sorted(set(entry) - keys):
        raise RegisterError(f"{where}: unknown {', '.join(surplus)}; known are {', '.join(sorted(keys))}")


def _row(source: str, machine: Machine, span: Span | None, version: str) -> dict[str, Any]:
    healthy, rule = machine.healthy or span, machine.running
    return {
        "source": source,
        "machine_id": machine.machine_id,
        "machine_class": machine.machine_class,
        "site": machine.site,
        "criticality": machine.criticality,
        "running_sensor": rule.sensor if rule else None,
        "running_above": rule.above if rule else None,
        "idle_above": rule.idle_above if rule else None,
        "startup_s": rule.startup // timedelta(seconds=1) if rule else None,
        "bearing": machine.bearing,
        "speed_rpm": machine.speed_rpm,
        "iso_class": machine.iso_class,
        "healthy_from": healthy[0] if healthy else None,
        "healthy_until": healthy[1] if healthy else None,
        "nominal_limits": [
            {"sensor": s, "low": low, "high": high} for s, (low, high) in sorted(machine.nominal.items())
        ],
        "failure_modes": [vars(mode) for mode in machine.failures],
        "register_version": version,
    }
