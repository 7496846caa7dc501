"""Parquet in pieces that fit memory, by pyarrow: some damaged files take the whole process down with Polars' reader."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from pipelines.importers.parsed import FileError

VALUES = 2_000_000
"""Cells in one piece."""


def read_parquet(
    path: Path, expect: Callable[[Sequence[str]], None], *, values: int | None = None
) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file in pieces, with `batch_row`: at least one frame, if only of no rows.

    All of it is decoded once before the first piece, because damage shows nowhere else.

    Args:
        path: The file.
        expect: Raises `FileError` for column names that are not those of the format.
        values: Cells in one piece.
    Raises:
        FileError: Not readable as Parquet.
    """
    for _ in _batches(path, expect, values or VALUES):
        pass
    row = 0
    for frame in _batches(path, expect, values or VALUES):
        yield frame.with_columns(batch_row=pl.int_range(row, row + frame.height, dtype=pl.Int64, eager=True))
        row += frame.height


def _batches(path: Path, expect: Callable[[Sequence[str]], None], values: int) -> Iterator[pl.DataFrame]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path, buffer_size=1 << 20, pre_buffer=False) as file:
            names = file.schema_arrow.names
            expect(names)
            if "batch_row" in names:
                told = "a column is called batch_row, as our count of rows; rename it"
                raise FileError("reserved_column", f"{path.name}: {told}")
            rows = max(1, values // max(1, len(names)))
            yield pl.DataFrame(file.schema_arrow.empty_table())
            for batch in file.iter_batches(batch_size=rows):
                yield pl.DataFrame(pa.Table.from_batches([batch]))
    except FileError:
        raise
    except (pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise FileError("not_parquet", f"{path.name}: not readable as Parquet: {first}") from None
