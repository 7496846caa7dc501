"""Diagnosis of a rolling bearing: which of its lines stands out of the envelope spectrum, and how far."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.contracts.vocabulary import DIAGNOSES
from pipelines.features.bearings import geometry_of
from pipelines.features.envelope import Bands, mean_spectrum, squared_envelope
from pipelines.features.samples import Signals
from pipelines.features.spectrum import Spectra, Values

NAMED_DB = 15.0
"""Level from which a line names its part: noise stays below 9 dB, healthy bearings at hand below 14."""

TOLERANCE = 0.01
"""How far slip may carry a line off its kinematic frequency, as a share of it."""

HARMONICS = 3
TURNS = 30
"""Shaft turns in a segment of the envelope, about: lines and shaft multiples stay apart, and a level does not grow
with the length of a snapshot."""

FEWEST_TURNS = 20
"""Of a snapshot: in a shorter one a line and a multiple of the shaft speed share their bins."""

LOBE = 2
"""Bins to either side that a Hann-weighted line fills."""

FEWEST_FLOOR = 16
"""Bins to either side, at the least, that a floor is the median of."""

LEAST_POWER = 1e-300
"""Stands for no power at all, of which there is no logarithm."""

LINES = ("bpfo", "bpfi", "bsf", "ftf")
SIDEBANDS = ("bpfi_sideband", "bsf_sideband")
PARTS = dict(zip(LINES, DIAGNOSES[1:], strict=True))


def line_orders(bearings: Sequence[str | None]) -> Signals:
    """Where the lines of `LINES` stand in multiples of the shaft speed: (n_snapshots, 4); a ball strikes twice a turn.

    Args:
        bearings: As `geometry_of` reads them; what it does not know has no lines, NaN.
    """
    found = {name: geometry_of(name) for name in set(bearings) if name is not None}
    known = {name: geometry.orders for name, geometry in found.items() if geometry is not None}
    lines = {name: (o.ball_pass_outer, o.ball_pass_inner, 2 * o.ball_spin, o.cage) for name, o in known.items()}
    none = (np.nan,) * len(LINES)
    return np.array([lines.get(name or "", none) for name in bearings]).reshape(len(bearings), len(LINES))


def line_levels(spectra: Spectra, bands: Bands, *, lines: Signals, shaft_hz: Values) -> dict[str, Values]:
    """How far the lines of each bearing rise out of the envelope spectrum of the snapshot's most impulsive band.

    The level of a line is the mean over its first three harmonics of 10 lg (power / floor), at the slip within
    +-1 % (at least one bin) at which that is largest. The floor of a harmonic is the median power within one shaft
    frequency of it. A harmonic below its floor, beyond the band, or within two bins of a multiple of the shaft speed
    counts 0 dB. A sideband level is the mean over the two first sidebands of the fundamental, likewise.

    Args:
        spectra, bands: Of the same snapshots.
        lines: As `line_orders` gives them.
        shaft_hz: Turns per second (n_snapshots,); NaN where unknown.
    Returns:
        In dB: `bpfo_db`, `bpfi_db`, `bsf_db` (at twice BSF), `ftf_db`; `bpfi_sideband_db` (shaft speed about BPFI),
        `bsf_sideband_db` (cage speed about twice BSF). NaN without bearing, speed or band, in fewer than 20 turns,
        and where a fundamental lies beyond the band or wholly among the multiples of the shaft speed.
    Source:
        Randall and Antoni (2011), Mech. Syst. Signal Process. 25, pp. 485-520; Smith and Randall (2015), 64-65,
        pp. 100-131 (slip, sidebands).
    """
    found = np.full((lines.shape[0], len(LINES) + len(SIDEBANDS)), np.nan)
    turns = np.nan_to_num(spectra.seconds * shaft_hz)
    segments = np.maximum(np.rint(turns / TURNS), 1).astype(np.int64)
    length = 2 * bands.width // segments  # samples of a segment; a band may be too narrow to hold a line at that speed
    rows = np.flatnonzero(~np.isnan(lines[:, 0]) & (turns >= FEWEST_TURNS) & (length > 4 * LOBE))
    if rows.size:
        power = _envelope_spectra(spectra, bands, rows, segments=segments)
        seconds = spectra.seconds * length[rows] / (2 * bands.width[rows])  # of a segment
        found[rows] = _levels(power, lines[rows], shaft_bins=shaft_hz[rows] * seconds)
    return {f"{name}_db": level for name, level in zip((*LINES, *SIDEBANDS), found.T.copy(), strict=True)}


def named(levels: dict[str, Values]) -> tuple[list[str | None], Values]:
    """The part that the highest line names, `none` where it stays below `NAMED_DB`, and its level in dB.

    Args:
        levels: As `line_levels` gives them.
    Returns:
        `(diagnosis, level)`; None and NaN where no line could be judged.
    """
    lines = np.array([levels[f"{name}_db"] for name in LINES])
    judged = ~np.isnan(lines).all(axis=0)
    lines = np.where(np.isnan(lines), -np.inf, lines)
    best, level = lines.argmax(axis=0), np.where(judged, lines.max(axis=0), np.nan)
    part = [
        (PARTS[LINES[line]] if height >= NAMED_DB else DIAGNOSES[0]) if known else None
        for line, height, known in zip(best, level, judged, strict=True)
    ]
    return part, level


def _envelope_spectra(
    spectra: Spectra, bands: Bands, rows: NDArray[np.int64], *, segments: NDArray[np.int64]
) -> Signals:
    """Spectrum of the squared envelope of each of `rows`: (n_rows, n_bins), NaN beyond the band of a row."""
    n_bins = bands.width[rows] // segments[rows] + 1
    power = np.full((rows.size, n_bins.max()), np.nan)
    for width, cut in {*zip(bands.width[rows].tolist(), segments[rows].tolist(), strict=True)}:
        same = np.flatnonzero((bands.width[rows] == width) & (segments[rows] == cut))
        squares = squared_envelope(spectra, rows[same], first=bands.first[rows[same]], width=width)
        known = mean_spectrum(squares, segments=cut)
        power[same, : known.shape[1]] = known
    return power


def _levels(power: Signals, lines: Signals, *, shaft_bins: Values) -> NDArray[np.float64]:
    """Levels of `LINES` and `SIDEBANDS` in envelope spectra, (n_rows, 6).

    Args:
        power: Shape (n_rows, n_bins), NaN where not known.
        lines: Orders of `LINES`, (n_rows, 4).
        shaft_bins: Shaft frequency in bins, (n_rows,).
    """
    _, inner, ball, cage = lines.T
    sidebands = np.stack([[inner - 1, inner + 1], [ball - cage, ball + cage]]).transpose(2, 0, 1)
    harmonics = lines[:, :, None] * np.arange(1, HARMONICS + 1)
    return np.hstack([_mean_levels(power, orders, shaft_bins=shaft_bins) for orders in (harmonics, sidebands)])


def _mean_levels(power: Signals, orders: NDArray[np.float64], *, shaft_bins: Values) -> NDArray[np.float64]:
    """Mean level of the members of each line, at the common slip where it is largest; NaN where the first is not seen.

    Args:
        orders: Shape (n_rows, n_lines, n_members).
    Returns:
        Shape (n_rows, n_lines).
    """
    centre = orders * shaft_bins[:, None, None]
    reach = np.maximum(TOLERANCE * centre, 1.0)
    slips = np.linspace(-1.0, 1.0, 2 * int(np.ceil(reach.max())) + 1)
    bins = np.rint(centre[..., None] + reach[..., None] * slips).astype(np.int64)
    off_shaft = np.abs(bins - np.rint(bins / shaft_bins[:, None, None, None]) * shaft_bins[:, None, None, None])
    height = _at(power, bins)
    seen = ~np.isnan(height) & (off_shaft >= LOBE)
    decibel = 10 * (np.log10(height) - np.log10(_floor(power, centre, reach=shaft_bins)))
    level = np.where(seen, np.maximum(decibel, 0.0), 0.0).mean(axis=2)
    best: NDArray[np.float64] = np.where(seen[:, :, 0], level, -np.inf).max(axis=-1)
    return np.where(np.isfinite(best), best, np.nan)


def _at(power: Signals, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Power of each row at its `bins` (n_rows, ...); NaN outside, and next to 0 Hz, where the mean leaves its lobe."""
    inside = (bins > LOBE) & (bins < power.shape[1])
    rows = np.arange(power.shape[0]).reshape(-1, *[1] * (bins.ndim - 1))
    found: NDArray[np.float64] = np.maximum(power[rows, np.where(inside, bins, 0)], LEAST_POWER)
    found[~inside] = np.nan
    return found


def _floor(power: Signals, centre: NDArray[np.float64], *, reach: Values) -> NDArray[np.float64]:
    """Median power within `reach` bins of each `centre` (n_rows, n_lines, n_members), with a further axis of one.

    A line fills too few of these bins to lift their median. NaN where none is known.
    """
    half = np.maximum(np.rint(reach), FEWEST_FLOOR).astype(np.int64)[:, None, None, None]
    offsets = np.arange(-half.max(), half.max() + 1)
    around = _at(power, np.rint(centre).astype(np.int64)[..., None] + offsets)
    around[np.broadcast_to(np.abs(offsets) > half, around.shape)] = np.nan
    around.sort(axis=-1)  # NaN comes last
    known = np.count_nonzero(~np.isnan(around), axis=-1, keepdims=True)
    return np.take_along_axis(around, np.maximum(known - 1, 0) // 2, axis=-1)
