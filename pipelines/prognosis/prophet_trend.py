"""Prophet's trend carried on to the threshold: a distribution of crossing times."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.prognosis.trend import Series

for name in ("prophet", "prophet.plot", "cmdstanpy"):  # before the import: one complains of an absent plotly
    logging.getLogger(name).addFilter(lambda _record: False)  # outlasts a logging configuration, unlike `disabled`
from prophet import Prophet  # noqa: E402

Array = NDArray[np.float64]
EPOCH = pd.Timestamp("2000-01-01")
HOLD_OUT_H = 24.0
LINE_H = 144.0
BLOCK = 8
RESIDUAL_SPAN_H = 72.0
LAG_SPAN_H = 120.0


@dataclass(frozen=True)
class Scale:
    """How a deviation is looked at while its trend is fitted.

    Attributes:
        offset: None for the deviation itself; else its logarithm behind this offset: exponential growth is then a line.
    """

    offset: float | None

    def to(self, deviation: Array) -> Array:
        if self.offset is None:
            return deviation
        return np.asarray(np.log(np.maximum(deviation, -0.5 * self.offset) + self.offset))

    def back(self, scaled: Array) -> Array:
        return scaled if self.offset is None else np.asarray(np.exp(scaled) - self.offset)


def crossing_times(series: Series, *, horizon_h: float, step_h: float, draws: int, seed: int) -> Array:
    """Hours until the threshold is reached, one for each possible future.

    Nobody knows the law of a degradation while it goes on, so its trend is fitted on three scales: as it is, as a
    logarithm, and between the two. Each contributes futures in proportion to the inverse of its error in foretelling
    the last day. A future is Prophet's own draw of the coming trend, with slope changes as frequent and as large as
    in the past, caught up with the newest bend, and on top a line through block-bootstrapped residuals of the last
    three days: Prophet alone takes the fitted past as certain, and its intervals come out too narrow.

    Args:
        series: A degrading series.
        horizon_h: How far to look.
        step_h: Step of the medians and of the look ahead.
        draws: Number of futures.
        seed: Of what is drawn.
    Returns:
        Shape (draws,), up to rounding; infinite where the horizon is not enough.
    Source:
        Taylor and Letham (2018), Am. Stat. 72, pp. 37-45 (trend and its uncertainty); Kuensch (1989), Ann. Stat. 17,
        pp. 1217-1241 (block bootstrap); Bates and Granger (1969), Oper. Res. Q. 20, pp. 451-468 (inverse errors);
        Tukey (1977), Exploratory Data Analysis, p. 526 (twicing: the smooth of what a smoother left is added back).
    """
    past = series.medians(step_h)
    scales = [Scale(offset) for offset in (None, max(past.spread, 0.03 * past.distance), 0.3 * past.distance)]
    ahead = np.arange(0.0, horizon_h + step_h, step_h)
    rng = np.random.default_rng(seed)
    with _seeded(seed):
        times = [
            _first_crossing(
                ahead,
                _futures(past, scale, ahead, draws=max(round(draws * weight), 1), rng=rng),
                float(scale.to(np.array([past.distance]))[0]),
            )
            for scale, weight in zip(scales, _weights(past, scales), strict=True)
        ]
    return np.concatenate(times)


def _weights(past: Series, scales: Sequence[Scale]) -> Array:
    """Share of the futures that each scale contributes; equal where too little is known to hold a day out.

    Straight lines through the six days before foretell the held-out day, not Prophet: on the right scale the past is
    a line, a wrong one shows as a bend, which Prophet would hide by following it, and three fits are saved.
    """
    known = past.before(-HOLD_OUT_H).last(HOLD_OUT_H + LINE_H)
    held = past.hours >= -HOLD_OUT_H
    if known.hours.size < 12 or not held.any():
        return np.full(len(scales), 1 / len(scales))
    lines = [np.polyfit(known.hours, scale.to(known.deviation), 1) for scale in scales]
    foretold = [
        scale.back(np.asarray(np.polyval(line, past.hours[held]), dtype=np.float64))
        for scale, line in zip(scales, lines, strict=True)
    ]
    errors = np.array([np.mean((said - past.deviation[held]) ** 2) for said in foretold])
    inverse = 1.0 / np.maximum(errors, 1e-12 * past.distance**2)
    return np.asarray(inverse / inverse.sum())


def _futures(past: Series, scale: Scale, ahead: Array, *, draws: int, rng: np.random.Generator) -> Array:
    """Futures on one scale, shape (draws, ahead)."""
    model = _fitted(past, scale)
    # Not predictive_samples: it gives the same trends, and spends as long again on seasonalities and noise.
    trends = model.sample_predictive_trend_vectorized(model.setup_dataframe(_frame(ahead)), draws)
    residuals = scale.to(past.deviation) - _trend(model, past.hours)
    # Prophet bends late, as its prior is against slope changes. A weaker prior follows noise too and spreads the
    # futures over weeks; a line through what it left of the last five days costs neither.
    newest = past.hours > -LAG_SPAN_H
    lag = np.polyfit(past.hours[newest], residuals[newest], 1)
    residuals = residuals - np.polyval(lag, past.hours)
    lines = _residual_lines(past.hours, residuals, ahead, draws=draws, rng=rng)
    return np.asarray(trends + np.polyval(lag, ahead) + lines)


def _fitted(past: Series, scale: Scale) -> Prophet:
    model = Prophet(
        growth="linear",
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        n_changepoints=8,
        uncertainty_samples=0,  # drawn in _futures
    )
    return model.fit(_frame(past.hours).assign(y=scale.to(past.deviation)))


def _trend(model: Prophet, hours: Array) -> Array:
    return np.asarray(model.predict_trend(model.setup_dataframe(_frame(hours))), dtype=np.float64)


def _frame(hours: Array) -> pd.DataFrame:
    return pd.DataFrame({"ds": EPOCH + pd.to_timedelta(hours, unit="h")})


def _residual_lines(hours: Array, residuals: Array, ahead: Array, *, draws: int, rng: np.random.Generator) -> Array:
    """Lines through resampled residuals, carried ahead: shape (draws, ahead).

    Blocks keep the residuals' memory: the daily cycle and slow load changes make neighbours alike.
    """
    recent = hours > -RESIDUAL_SPAN_H
    at, left = hours[recent], residuals[recent] - residuals[recent].mean()
    blocks = -(-at.size // BLOCK)
    starts = rng.integers(0, max(at.size - BLOCK, 0) + 1, size=(draws, blocks))
    picked = (starts[:, :, None] + np.arange(BLOCK)).reshape(draws, -1)[:, : at.size]
    drawn = left[np.minimum(picked, at.size - 1)]
    design = np.column_stack([np.ones(at.size), at])
    lines, *_ = np.linalg.lstsq(design, drawn.T, rcond=None)
    return np.asarray((np.column_stack([np.ones(ahead.size), ahead]) @ lines).T)


def _first_crossing(ahead: Array, futures: Array, threshold: float) -> Array:
    """Moment at which each row of `futures` first reaches the threshold, interpolated between steps."""
    reached = futures >= threshold
    first = reached.argmax(axis=1)
    rows = np.arange(futures.shape[0])
    before = np.maximum(first - 1, 0)
    rise = futures[rows, first] - futures[rows, before]
    share = np.where(rise > 0, (threshold - futures[rows, before]) / np.where(rise > 0, rise, 1.0), 0.0)
    at = ahead[before] + share * (ahead[first] - ahead[before])
    return np.where(reached.any(axis=1), np.where(first == 0, 0.0, at), np.inf)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Prophet draws from NumPy's global generator: seeded for the call, and left as it was found."""
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(state)
