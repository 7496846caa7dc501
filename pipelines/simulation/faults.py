"""Faults of the simulated plant: how each kind grows, in units of the sensor's noise."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fault:
    """One fault with its course.

    Attributes:
        kind: Name, as in the truth.
        law: `exponential`, `power`, `plateau`, `step` or `stuck`.
        sensors: Severity by sensor relative to the first, which shows the fault plainest; negative falls.
        onset_h: Hours from the start until it begins.
        span_h: Hours over which it unfolds: to the limit for laws that fail, to the full size for a plateau.
        sigmas: Size at the end of the span.
        fails_as: Failure mode it ends in; None if the machine lives on.
        fails_h: Hours before (negative: behind) the end of the simulated time at which it fails, as a range.
        strength: Share of the declared limit at which the machine really fails.
    """

    kind: str
    law: str
    sensors: dict[str, float]
    span_h: tuple[float, float]
    sigmas: float
    fails_as: str | None = None
    fails_h: tuple[float, float] = (0.0, 0.0)
    onset_h: float = 0.0
    grows_h: float = 0.0
    strength: float = 1.0

    @property
    def stuck(self) -> str | None:
        return next(iter(self.sensors)) if self.law == "stuck" else None

    def drawn(self, rng: np.random.Generator, days: int) -> "Fault":
        """This kind with a course of its own: an onset in the second third of the time, or the one its end asks for."""
        end = days * 24.0
        grows_h = float(rng.uniform(*self.span_h))
        onset_h = float(rng.uniform(end / 3, end * 2 / 3))
        if self.fails_as:
            onset_h = end - float(rng.uniform(*self.fails_h)) - grows_h
        return replace(self, onset_h=onset_h, grows_h=grows_h, strength=float(rng.uniform(0.9, 1.1)))

    def course(self, hours: Array) -> Array:
        """Severity of the plainest sensor at each hour, in units of noise; zero before the onset."""
        share: Array = np.maximum(hours - self.onset_h, 0.0) / max(self.grows_h, 1e-9)
        if self.law == "exponential":
            return np.asarray(self.sigmas * np.expm1(4 * share) / np.expm1(4))
        if self.law == "power":
            return np.asarray(self.sigmas * share**1.5)
        if self.law == "plateau":
            return np.asarray(self.sigmas * (1 - np.exp(-3 * share)))
        if self.law == "step":
            return np.asarray(self.sigmas * (share > 0))
        return np.zeros_like(hours)

    def hour_of(self, sensor: str, sigmas: float) -> float | None:
        """First hour at which the severity on `sensor` reaches `sigmas`; None if it never does in a year."""
        hours = np.arange(0, 365 * 24, 0.5)
        reached = self.sensors.get(sensor, 0.0) * self.course(hours) >= sigmas
        return float(hours[reached.argmax()]) if reached.any() else None


WEAR = {"vibration_mm_s": 1.0, "temperature_c": 0.2}
FOULING = {"temperature_c": 1.0, "current_a": 0.35}
FAULTS = (
    Fault("bearing_wear", "exponential", WEAR, (200, 320), 22.0, fails_as="bearing_wear", fails_h=(48, 168)),
    Fault("fouling", "power", FOULING, (240, 360), 18.0, fails_as="overheating", fails_h=(-96, -48)),
    Fault("seal_leak", "plateau", {"pressure_bar": -1.0, "flow_m3_h": -0.7}, (100, 200), 5.0),
    Fault("misalignment", "step", {"vibration_mm_s": 1.0, "current_a": 0.3}, (1, 2), 4.0),
    Fault("stuck_sensor", "stuck", {"temperature_c": 1.0}, (1, 2), 0.0),
)
"""One of each in every plant. Of the two that end in failure one fails before the last day and one soon after it, so
that the last day shows a machine at risk."""


def severity(fault: Fault | None, sensor: str, hours: Array) -> Array:
    """Shift of `sensor` at each hour, in units of its noise."""
    if fault is None:
        return np.zeros_like(hours)
    return np.asarray(fault.sensors.get(sensor, 0.0) * fault.course(hours))
