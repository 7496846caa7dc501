"""Binary COPY: what is written is what PostgreSQL's format says, null by null."""

import struct
from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from resources.serving.binary_copy import EPOCH_US, HEADER, TRAILER, encoded, is_fixed_width
from resources.serving.layout import LAYOUTS

TYPES = {"a": "integer", "b": "bigint", "c": "double precision", "t": "timestamptz", "f": "boolean"}
SCHEMA = {"a": pl.Int32, "b": pl.Int64, "c": pl.Float64, "t": pl.Datetime("us", "UTC"), "f": pl.Boolean}
FORMATS = {"integer": ">i", "bigint": ">q", "double precision": ">d", "timestamptz": ">q", "boolean": "?"}
SECONDS = st.floats(631_152_000.0, 4_102_444_800.0)  # 1990 to 2100
MOMENTS = SECONDS.map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.floats(allow_nan=False),
        st.none() | MOMENTS,
        st.none() | st.booleans(),
    ),
    max_size=30,
)


def decoded(data: bytes) -> list[tuple]:
    """Rows as the format's description reads them, one value after the other."""
    assert data.startswith(HEADER)
    assert data.endswith(TRAILER)
    place, rows = len(HEADER), []
    while (fields := struct.unpack_from(">h", data, place)[0]) != -1:
        place, values = place + 2, []
        assert fields == len(TYPES)
        for kind in TYPES.values():
            (length,) = struct.unpack_from(">i", data, place)
            place += 4
            values.append(None if length == -1 else struct.unpack_from(FORMATS[kind], data, place)[0])
            place += max(length, 0)
        rows.append(tuple(values))
    assert place == len(data) - len(TRAILER)
    return rows


@given(ROWS)
def test_every_row_comes_out_as_it_went_in(rows):
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    epoch = frame["t"].dt.epoch("us").to_list()
    told = [(*row[:3], None if at is None else at - EPOCH_US, row[4]) for row, at in zip(rows, epoch, strict=True)]
    assert decoded(b"".join(encoded(frame, TYPES))) == told


def test_large_tables_are_of_fixed_width_and_plain_ones_are_not():
    fixed = {
        name
        for name, layout in LAYOUTS.items()
        if is_fixed_width({column.name: column.type for column in layout.columns})
    }
    assert fixed == {name for name, layout in LAYOUTS.items() if layout.is_big}
