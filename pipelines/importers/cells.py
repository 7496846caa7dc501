"""Cells as values: a moment, a number, or the reason why it is neither; never a guess."""

import re
from collections.abc import Callable

import polars as pl

from pipelines.importers.dialect import COMMA

INSTANTS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
DAY = "%Y-%m-%d"
NO_TIME = "not a time"
NO_NUMBER = "value: not a number"
STAMP = re.compile(r"^\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d{1,6})?(Z?)$")


def moments(times: pl.Series, *, zone: str, form: str | None = None) -> tuple[pl.Series, pl.Series]:
    """Moments in UTC, and the reason where there is none; both are null where nothing was said.

    Args:
        times: ISO 8601 text, or text of `form`, or timestamps with a zone or without. A date is its midnight.
        zone: IANA name of the clock that wrote the times without a zone.
        form: How the times are written, as `strftime` has it; None: as ISO 8601.

    Example:
        >>> at, why = moments(pl.Series(["2026-03-29T02:30:00", "2026-03-29T03:30:00"]), zone="Europe/Berlin")
        >>> [str(moment) for moment in at], why.to_list()
        (['None', '2026-03-29 01:30:00+00:00'], ['never in Europe/Berlin: the clock was put forward over it', None])
    """
    if form is None and times.dtype == pl.String and zone == "UTC":
        return _rest(times, _stamps(times), lambda left: _moments(left, zone, form))
    return _moments(times, zone, form)


def numbers(text: pl.Series, *, decimal: str = ".") -> tuple[pl.Series, pl.Series]:
    """The numbers in a column of text, and the reason where there is text that is none.

    Args:
        text: As written.
        decimal: Sign before the decimals.

    Example:
        >>> value, why = numbers(pl.Series(["1,5", "1.234,5", "2"]), decimal=",")
        >>> value.to_list(), why.to_list()
        ([1.5, None, 2.0], [None, 'value: not a number', None])
    """
    if decimal == ",":
        text = pl.select(
            pl.when(text.str.contains(COMMA))
            .then(text.str.replace(",", ".", literal=True))
            .otherwise(
                # a point would part thousands here
                pl.when(text.str.contains(".", literal=True)).then(pl.lit("?")).otherwise(text)
            )
        ).to_series()
    return _rest(text, text.cast(pl.Float64, strict=False), _numbers)


def broken_cells(frame: pl.DataFrame, reasons: pl.Series, *, column: str) -> pl.DataFrame:
    """Rows of `frame` that have a reason why their cell in `column` is no value, in the columns of `BROKEN`."""
    bad = frame.select("batch_row", found=pl.col(column), reasons=reasons).drop_nulls("reasons")
    found = pl.col("found").cast(pl.String).str.head(80)
    return bad.select("batch_row", column=pl.lit(column), found=found, reasons="reasons")


def _rest(
    said: pl.Series, read: pl.Series, slowly: Callable[[pl.Series], tuple[pl.Series, pl.Series]]
) -> tuple[pl.Series, pl.Series]:
    """What was read at once, completed by a slower look at those cells that say something and were not read."""
    reasons = pl.repeat(None, len(said), dtype=pl.String, eager=True)
    if read.null_count() == said.null_count():
        return read, reasons
    left = (read.is_null() & said.is_not_null()).arg_true()
    found, why = slowly(said.gather(left))
    return read.scatter(left, found), reasons.scatter(left, why)


def _numbers(text: pl.Series) -> tuple[pl.Series, pl.Series]:
    read = text.str.strip_chars().cast(pl.Float64, strict=False)
    return read, pl.select(pl.when(read.is_null()).then(pl.lit(NO_NUMBER))).to_series()


def _stamps(times: pl.Series) -> pl.Series:
    """Moments of the one form that the first cell is written in; null where a cell is of another."""
    first = next(iter(times.head(100).drop_nulls()), "")
    if (found := STAMP.match(first)) is None:
        return pl.repeat(None, len(times), dtype=pl.Datetime("us", "UTC"), eager=True)
    form = f"%Y-%m-%d{found[1]}%H:%M:%S{'%.f' if found[2] else ''}{found[3]}"
    return times.str.to_datetime(form, time_unit="us", strict=False).dt.replace_time_zone("UTC")


def _moments(times: pl.Series, zone: str, form: str | None) -> tuple[pl.Series, pl.Series]:
    aware, naive = _stated(times, form)
    once = naive.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")
    some = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    reason = (
        pl.when(times.is_null() | aware.is_not_null() | once.is_not_null())
        .then(None)
        .when(some.is_not_null())
        .then(pl.lit(f"twice in {zone}: the clock was put back over it"))
        .when(naive.is_not_null())
        .then(pl.lit(f"never in {zone}: the clock was put forward over it"))
        .otherwise(pl.lit(NO_TIME))
    )
    read = pl.select(at=pl.coalesce(aware, once), reason=reason.cast(pl.String))
    return read["at"], read["reason"]


def _stated(times: pl.Series, form: str | None) -> tuple[pl.Series, pl.Series]:
    """Moments that name their zone, in UTC, and readings of a clock that do not; null where it is the other or none."""
    nothing = pl.repeat(None, len(times), dtype=pl.Datetime("us"), eager=True)
    if times.dtype == pl.Date:
        return nothing.dt.replace_time_zone("UTC"), times.cast(pl.Datetime("us"))
    if isinstance(times.dtype, pl.Datetime):
        read = times.dt.cast_time_unit("us")
        if times.dtype.time_zone is None:
            return nothing.dt.replace_time_zone("UTC"), read
        return read.dt.convert_time_zone("UTC"), nothing
    text = pl.select(pl.lit(times.cast(pl.String)).str.strip_chars())
    if form is not None:
        read = text.to_series().str.to_datetime(form, time_unit="us", strict=False)
        if re.search(r"%:?:?z", form):
            return read.dt.convert_time_zone("UTC"), nothing
        return nothing.dt.replace_time_zone("UTC"), read
    iso = text.to_series().str.replace(r"[zZ]$", "+00:00").str.replace(r"^(\S+) ", "${1}T")
    aware = [iso.str.to_datetime(f + "%:z", time_unit="us", strict=False) for f in INSTANTS]
    naive = [iso.str.to_datetime(f, time_unit="us", strict=False) for f in (*INSTANTS, DAY)]
    both = pl.select(aware=pl.coalesce(aware).dt.convert_time_zone("UTC"), naive=pl.coalesce(naive))
    return both["aware"], both["naive"]
