"""Cheap looks at a degradation series: is it degrading at all, and where would a straight line end?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One failure mode of one machine, seen from the moment of the forecast.

    Attributes:
        hours: Shape (n,), ascending, at most 0: middle of each window, in hours before now.
        deviation: Shape (n,): way gone from the healthy level towards the threshold, in the sensor's unit.
        spread: Robust standard deviation of the windows in the healthy span, same unit.
        distance: From the healthy level to the threshold, same unit; 0 or less where it lay beyond it when healthy.
    """

    hours: Array
    deviation: Array
    spread: float
    distance: float

    def last(self, span_h: float) -> "Series":
        """The newest `span_h` hours of it."""
        keep = self.hours > -span_h
        return Series(self.hours[keep], self.deviation[keep], self.spread, self.distance)

    def before(self, hour: float) -> "Series":
        """What was known at `hour` (at most 0)."""
        keep = self.hours < hour
        return Series(self.hours[keep], self.deviation[keep], self.spread, self.distance)

    def medians(self, step_h: float) -> "Series":
        """Medians of steps of `step_h` hours: a single odd window then moves nothing."""
        step = np.floor(self.hours / step_h)
        steps, of = np.unique(step, return_inverse=True)
        values = np.array([np.median(self.deviation[of == number]) for number in range(steps.size)])
        return Series((steps + 0.5) * step_h, values, self.spread, self.distance)


def level(series: Series, *, span_h: float) -> float:
    """Median deviation of the newest `span_h` hours in which there are values."""
    newest = series.hours[-1]
    return float(np.median(series.deviation[series.hours > newest - span_h]))


def is_degrading(
    series: Series, *, least_spreads: float, least_share: float, trend_h: float, step_h: float, p_value: float
) -> bool:
    """Whether the newest day is clearly off the healthy level and the last days lead on towards the threshold.

    Args:
        series: All that is known.
        least_spreads: Least deviation of the newest day, in healthy spreads: weather and load stay below it.
        least_share: Least deviation of the newest day, as a share of the way to the threshold.
        trend_h: How far back the trend is sought.
        step_h: Medians of steps this long are compared, so that neighbouring windows do not count as evidence twice.
        p_value: Of Kendall's tau, one-sided, below which the trend is taken as real.
    Source:
        Mann (1945), Econometrica 13, pp. 245-259: rank test against trend, whatever its shape.
    """
    now = level(series, span_h=24.0)
    if now < least_spreads * series.spread or now < least_share * series.distance:
        return False
    from scipy.stats import kendalltau  # a second of imports that a fleet in good health does not need

    recent = series.last(trend_h).medians(step_h)
    return bool(kendalltau(recent.hours, recent.deviation, alternative="greater").pvalue < p_value)


def line_crossing(series: Series, *, span_h: float = 72.0) -> float | None:
    """Hours until the least-squares line through the last `span_h` reaches the threshold.

    The baseline every forecast stands beside. None where the line leads away or there are fewer than three values.
    """
    recent = series.last(span_h)
    if recent.hours.size < 3:
        return None
    slope, now = np.polyfit(recent.hours, recent.deviation, 1)
    if now >= series.distance:
        return 0.0
    hours = (series.distance - now) / slope if slope > 0 else np.inf
    return float(hours) if hours <= 1e5 else None
