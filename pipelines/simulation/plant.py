"""The simulated plant: machines in shifts and weather, some with a fault whose course is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.simulation.faults import FAULTS, Fault, severity

Array = NDArray[np.float64]

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
HEALTHY_DAYS = 7
SITES = ("north", "south")


@dataclass(frozen=True)
class Sensor:
    """How one sensor answers; `load` and `ambient` are in units of its noise.

    Attributes:
        level: Mean while running at normal load.
        noise: Standard deviation of a single reading.
        load: Shift at one standard deviation more load.
        ambient: Shift at one standard deviation warmer weather.
        rest: Mean while off.
    """

    level: float
    noise: float
    load: float = 0.0
    ambient: float = 0.0
    rest: float = 0.0


@dataclass(frozen=True)
class Limit:
    """A declared end of life, `sigmas` of noise away from the running level."""

    failure_mode: str
    sensor: str
    sigmas: float
    skill: str
    repair_h: float


SPEED = Sensor(1480.0, 4.0)
CLASSES: Mapping[str, Mapping[str, Sensor]] = {
    "pump": {
        "speed_rpm": SPEED,
        "vibration_mm_s": Sensor(2.0, 0.20, load=0.5),
        "temperature_c": Sensor(58.0, 1.2, load=0.8, ambient=0.8, rest=22.0),
        "pressure_bar": Sensor(6.0, 0.12, load=0.8),
        "flow_m3_h": Sensor(120.0, 2.5, load=1.0),
        "current_a": Sensor(42.0, 0.8, load=1.2),
    },
    "fan": {
        "speed_rpm": SPEED,
        "vibration_mm_s": Sensor(2.4, 0.25, load=0.4),
        "temperature_c": Sensor(48.0, 1.0, load=0.6, ambient=1.0, rest=22.0),
        "current_a": Sensor(28.0, 0.6, load=1.2),
    },
    "compressor": {
        "speed_rpm": SPEED,
        "vibration_mm_s": Sensor(3.0, 0.30, load=0.5),
        "vibration_axial_mm_s": Sensor(1.6, 0.20, load=0.3),
        "temperature_c": Sensor(78.0, 1.5, load=0.8, ambient=0.6, rest=24.0),
        "oil_temperature_c": Sensor(62.0, 1.0, load=0.6, ambient=0.5, rest=24.0),
        "pressure_bar": Sensor(9.0, 0.15, load=0.6),
        "flow_m3_h": Sensor(300.0, 6.0, load=1.0),
        "current_a": Sensor(95.0, 1.6, load=1.2),
    },
    "gearbox": {
        "speed_rpm": SPEED,
        "load_pct": Sensor(70.0, 1.5, load=1.5),
        "vibration_mm_s": Sensor(2.8, 0.28, load=0.6),
        "temperature_c": Sensor(64.0, 1.2, load=0.8, ambient=0.7, rest=22.0),
        "oil_temperature_c": Sensor(60.0, 1.0, load=0.7, ambient=0.6, rest=22.0),
    },
}
LIMITS = (
    Limit("bearing_wear", "vibration_mm_s", 22.0, "mechanical", 6.0),
    Limit("overheating", "temperature_c", 18.0, "electrical", 4.0),
)
FLEET = ("pump", "pump", "pump", "pump", "fan", "fan", "fan", "fan", "compressor", "compressor", "gearbox", "gearbox")
NEVER_OFF = ("compressor",)


@dataclass(frozen=True)
class Plant:
    """What was simulated.

    Attributes:
        readings: machine_id, sensor, recorded_at, value; in order of time.
        truth: Columns of a labels file: the span of every fault, and the moment of every failure so far.
        machines: Class by machine, in order.
        faults: Fault by machine.
        fails_at: Moment of failure by machine, also behind the end.
        start: First moment.
        days: Length.
        site_of: Site by machine.
    """

    readings: pl.DataFrame
    truth: pl.DataFrame
    machines: Mapping[str, str]
    faults: Mapping[str, Fault]
    fails_at: Mapping[str, datetime]
    start: datetime
    days: int
    site_of: Mapping[str, str]

    def day(self, number: int) -> pl.DataFrame:
        """Readings of one day, counted from 0."""
        since = self.start + timedelta(days=number)
        return self.readings.filter(pl.col("recorded_at").is_between(since, since + timedelta(days=1), closed="left"))


def simulate(*, seed: int, days: int = 30, start: datetime = START, fleet: tuple[str, ...] = FLEET) -> Plant:
    """Readings every ten minutes of a fleet, five of whose machines have a fault.

    Same arguments, same plant. Which machine has which fault, its onset and its speed are drawn from the seed; all
    severities are in units of the sensor's noise, so that no fault is plainer on one sensor than on another.

    Args:
        seed: Of everything that is drawn.
        days: Length.
        start: First moment.
        fleet: Class of each machine.
    """
    rng = np.random.default_rng(seed)
    names = _names(fleet)
    hours = np.arange(days * 144) / 6.0
    weather = {site: _weather(hours, rng) for site in SITES}
    site_of = {name: SITES[i % 2] for i, name in enumerate(names)}
    faults = _faults(names, days, rng)
    frames, fails_at = [], {}
    for name, machine_class in names.items():
        fault = faults.get(name)
        failed_h = _failure_hour(fault)
        if failed_h is not None:
            fails_at[name] = start + timedelta(hours=failed_h)
        frames.append(_machine(name, machine_class, hours, weather[site_of[name]], fault, failed_h, start, rng))
    readings = pl.concat(frames).sort("recorded_at", "machine_id", "sensor")
    return Plant(readings, _truth(faults, fails_at, start, days), names, faults, fails_at, start, days, site_of)


def register_text(plant: Plant, *, source: str) -> str:
    """The plant's entries of the machine register, as a person would declare them: nothing in it knows a fault."""
    until = plant.start + timedelta(days=HEALTHY_DAYS)
    head = [
        f"[sources.{source}]",
        'importer = "readings"',
        'window = "1h"',
        f"healthy = [{plant.start:%FT%TZ}, {until:%FT%TZ}]",
    ]
    return "\n".join(head + [_entry(plant, source, name) for name in plant.machines]) + "\n"


def _entry(plant: Plant, source: str, name: str) -> str:
    machine_class = plant.machines[name]
    sensors = CLASSES[machine_class]
    nominal = [f"{s} = [{v.level - 8 * v.noise:.2f}, {v.level + 8 * v.noise:.2f}]" for s, v in sensors.items()]
    failures = [
        f'  {{ mode = "{limit.failure_mode}", sensor = "{limit.sensor}", threshold = {_threshold(limit, sensors):.2f}, '
        f'skill = "{limit.skill}", repair_hours = {limit.repair_h} }},'
        for limit in LIMITS
    ]
    return "\n".join(
        [
            "",
            "[[machines]]",
            f'id = "{source}.{name}"',
            f'class = "{machine_class}"',
            f'site = "{plant.site_of[name]}"',
            f'criticality = "{"high" if machine_class == "compressor" else "medium"}"',
            'running = { sensor = "speed_rpm", above = 700.0 }',
            f"nominal = {{ {', '.join(nominal)} }}",
            "failures = [",
            *failures,
            "]",
        ]
    )


def _names(fleet: tuple[str, ...]) -> dict[str, str]:
    count: dict[str, int] = {}
    names = {}
    for machine_class in fleet:
        count[machine_class] = count.get(machine_class, 0) + 1
        names[f"{machine_class}-{count[machine_class]:02d}"] = machine_class
    return names


def _faults(names: Mapping[str, str], days: int, rng: np.random.Generator) -> dict[str, Fault]:
    """One machine for each kind of fault; onset and speed drawn."""
    free = list(names)
    faults = {}
    for kind in FAULTS:
        able = [name for name in free if all(sensor in CLASSES[names[name]] for sensor in kind.sensors)]
        name = able[rng.integers(len(able))]
        free.remove(name)
        faults[name] = kind.drawn(rng, days)
    return faults


def _machine(
    name: str,
    machine_class: str,
    hours: Array,
    weather: Array,
    fault: Fault | None,
    failed_h: float | None,
    start: datetime,
    rng: np.random.Generator,
) -> pl.DataFrame:
    load = _load(hours, rng)
    running = _duty(hours, rng, always=machine_class in NEVER_OFF)
    if failed_h is not None:
        running = running & (hours < failed_h)
    at = pl.Series([start + timedelta(hours=float(h)) for h in hours], dtype=pl.Datetime("us", "UTC"))
    frames = []
    for sensor_name, sensor in CLASSES[machine_class].items():
        sigmas = sensor.load * load + sensor.ambient * weather
        value = sensor.level + sensor.noise * (sigmas + severity(fault, sensor_name, hours))
        rest = sensor.rest + sensor.noise * sensor.ambient * weather
        value = np.where(
            running, value + rng.normal(0, sensor.noise, hours.size), rest + rng.normal(0, 0.02, hours.size)
        )
        if fault is not None and fault.stuck == sensor_name:
            held = int(np.searchsorted(hours, fault.onset_h))
            value[held:] = value[held]
        frames.append(
            pl.DataFrame({"machine_id": name, "sensor": sensor_name, "recorded_at": at, "value": value.round(4)})
        )
    return pl.concat(frames)


def _duty(hours: Array, rng: np.random.Generator, *, always: bool) -> NDArray[np.bool_]:
    """Running or not: a nightly stop, and off on Sundays for half of the machines."""
    if always:
        return np.ones(hours.size, dtype=bool)
    stop_at, stop_for = rng.uniform(0, 4), rng.uniform(1, 4)
    hour, day = hours % 24, (hours // 24) % 7
    sunday = (day == 6) & bool(rng.integers(2))
    running: NDArray[np.bool_] = ~((hour >= stop_at) & (hour < stop_at + stop_for)) & ~sunday
    return running


def _load(hours: Array, rng: np.random.Generator) -> Array:
    """Load in standard deviations: a slow random walk that returns, and the shift's rhythm."""
    return _wander(hours.size, 36.0, rng) * 0.8 + 0.4 * np.sin(2 * np.pi * (hours - 9) / 24)


def _weather(hours: Array, rng: np.random.Generator) -> Array:
    """Outside temperature in standard deviations: day and night, fronts, and a season that rises over the month."""
    season = 0.8 * np.sin(2 * np.pi * (hours - hours.size / 12) / (24 * 90))
    return season + 0.9 * np.sin(2 * np.pi * (hours - 10) / 24) + 0.7 * _wander(hours.size, 400.0, rng)


def _wander(n: int, memory: float, rng: np.random.Generator) -> Array:
    """Ornstein-Uhlenbeck path of unit variance; `memory` in steps."""
    keep = np.exp(-1 / memory)
    steps = rng.normal(0, np.sqrt(1 - keep**2), n)
    path = np.empty(n)
    level = rng.normal()
    for i, step in enumerate(steps):
        level = keep * level + step
        path[i] = level
    return path


def _threshold(limit: Limit, sensors: Mapping[str, Sensor]) -> float:
    sensor = sensors[limit.sensor]
    return sensor.level + limit.sigmas * sensor.noise


def _failure_hour(fault: Fault | None) -> float | None:
    """When a fault that ends in failure does: near the declared limit, as no machine reads its own data sheet."""
    if fault is None or fault.fails_as is None:
        return None
    limit = next(limit for limit in LIMITS if limit.failure_mode == fault.fails_as)
    return fault.hour_of(limit.sensor, limit.sigmas * fault.strength)


def _truth(faults: Mapping[str, Fault], fails_at: Mapping[str, datetime], start: datetime, days: int) -> pl.DataFrame:
    """What people know on the last day: failures still to come are not in it."""
    known = {name: at for name, at in fails_at.items() if at < start + timedelta(days=days)}
    rows = [
        (name, "fault", fault.kind, start + timedelta(hours=fault.onset_h), known.get(name))
        for name, fault in faults.items()
    ]
    rows += [(name, "failure", faults[name].kind, at, at) for name, at in known.items()]
    at, text = pl.Datetime("us", "UTC"), pl.String()
    schema = {"machine_id": text, "kind": text, "label": text, "started_at": at, "ended_at": at}
    return pl.DataFrame(rows, schema=schema, orient="row")
