"""Units at the edge: what a file states becomes the unit that the sensor's name promises."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import polars as pl

from pipelines.contracts.vocabulary import UNITS, unit_of
from pipelines.failures import StatedError

ALIASES = {
    "g": "standard_gravity",  # pint's g is a gram; a sensor's is an acceleration
    "1/min": "rpm",  # pint counts a turn as 2 pi where it is not named
    "1/s": "hertz",
    "U/min": "rpm",
    "rev/min": "rpm",
    "RPM": "rpm",
    "%": "percent",
    "l/min": "liter / minute",
    "L/min": "liter / minute",
    "gpm": "gallon / minute",  # of the US
    "m3/h": "meter ** 3 / hour",
    "m³/h": "meter ** 3 / hour",
    "Nm": "newton * meter",
    "N.m": "newton * meter",
    "mm/s2": "millimeter / second ** 2",
    "m/s2": "meter / second ** 2",
    "psia": "psi",  # above vacuum or, the next, above the air: that belongs to the sensor, the unit is the same
    "psig": "psi",
    "bara": "bar",
    "barg": "bar",
    "C": "degC",  # pint's coulomb and farad: no sensor is in either
    "F": "degF",
    "°R": "degR",
}
"""What plants write, and what pint calls it where that is something else."""
DIFFERENCES = {"degC": "delta_degC", "degF": "delta_degF"}
"""Units of a difference by those that count from a zero of their own."""


class UnitError(StatedError):
    """A unit is not known, or is not of the quantity that the sensor's name promises."""


@dataclass(frozen=True)
class Conversion:
    """`(value * numerator + offset) / denominator`: whole numbers wherever there are such, so that no digit is lost.

    Example:
        >>> conversion("degF", "temperature_c")(pl.Series([212.0, 75.2])).to_list()
        [100.0, 24.0]
    """

    numerator: float
    offset: float
    denominator: float

    @property
    def is_identity(self) -> bool:
        return (self.numerator, self.offset, self.denominator) == (1.0, 0.0, 1.0)

    def __call__(self, values: pl.Series) -> pl.Series:
        """Values in the unit of the sensor; as they are where that is theirs."""
        if self.is_identity:
            return values
        return (values * self.numerator + self.offset) / self.denominator


SAME = Conversion(1.0, 0.0, 1.0)


@cache
def conversion(unit: str, sensor: str) -> Conversion:
    """From `unit` to the unit that the suffix of `sensor` states.

    Raises:
        UnitError: The unit is unknown, the name states none, or the two are of different quantities.

    Example:
        >>> conversion("l/min", "flow_m3_h")(pl.Series([32.0])).item()
        1.92
    """
    target = unit_of(sensor)
    if target is None:
        raise UnitError(
            f"sensor {sensor!r} states no unit, so {unit!r} cannot be converted; end its name in one of "
            f"{', '.join('_' + suffix for suffix in UNITS)}, or leave the unit out"
        )
    if unit == target:
        return SAME
    convert = _between(unit, target, sensor)
    offset = convert(Fraction(0))
    slope = convert(Fraction(1)) - offset
    common = slope.denominator * offset.denominator
    exact = (slope * common, offset * common, Fraction(common))
    if max(abs(part) for part in exact) > 2**53:  # no whole numbers that a float holds: the nearest factor is best
        exact = (slope, offset, Fraction(1))
    return Conversion(*(float(part) for part in exact))


def _between(unit: str, target: str, sensor: str) -> Callable[[Fraction], Fraction]:
    import pint

    registry = _registry()
    try:
        source, wanted = (registry.parse_units(ALIASES.get(name, name)) for name in (unit, target))
    except (pint.errors.PintError, AttributeError, ValueError, TypeError) as error:
        names = sorted({*ALIASES, *UNITS.values()})
        told = f"unit {unit!r} is not known; known are {', '.join(names)} and pint's names, such as kPa or delta_degF"
        raise UnitError(f"sensor {sensor!r}: {told}") from error
    if source.dimensionality != wanted.dimensionality:
        hint = "; did you mean degR?" if unit == "R" else ""
        raise UnitError(f"sensor {sensor!r} is in {target}, and {unit!r} cannot be converted to that{hint}")
    _refuse_other_zero(unit, source, target, sensor)
    return lambda value: Fraction(registry.Quantity(value, source).to(wanted).magnitude)


def _refuse_other_zero(unit: str, source: Any, target: str, sensor: str) -> None:
    """A difference is no temperature: 10 degC more are 10 K more, but 10 degC are 283.15 K."""
    for absolute, difference in DIFFERENCES.items():
        if target == "K" and source == _registry().parse_units(absolute):
            told = f"is a difference in K, and {unit!r} counts from a zero of its own; write K or {difference}"
            raise UnitError(f"sensor {sensor!r} {told}")
        if target in DIFFERENCES and source == _registry().parse_units(difference):
            told = (
                f"is a temperature in {target}, and {unit!r} is a difference; write {absolute}, or end its name in _k"
            )
            raise UnitError(f"sensor {sensor!r} {told}")


@cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry(non_int_type=Fraction, on_redefinition="ignore")
    registry.define("hertz = revolution / second = Hz")  # 50 Hz are 3,000 rpm: pint's own are radians a second
    return registry
