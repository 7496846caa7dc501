"""Dictionaries: small integers for names and words, so that big tables hold no text."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from resources.serving.layout import Layout

BOOKS = {"machines": ("machine_names", "machine", "machine_id"), "sensors": ("sensor_names", "sensor", "name")}
"""By dictionary: table, its id and its text; what is not here is a word."""
WORDS = ("words", "word", "text")


def with_ids(connection: Any, layout: Layout, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows as they are stored: columns of the layout, in its order and sorted by its key. New text gets an id.

    Args:
        connection: In the transaction that loads the rows.
        layout: Of their table.
        rows: Columns as the lake names them.
    """
    told = []
    for column in layout.columns:
        values = rows[column.seen]
        if column.dictionary is not None:
            values = _ids(connection, column.dictionary, rows, column.seen)
        elif column.type == "jsonb":
            values = pl.Series(_as_json(values), dtype=pl.String)
        told.append(values.alias(column.name))
    newest_first = [name == layout.time for name in layout.key]
    return pl.DataFrame(told).sort(layout.key, descending=newest_first)


def _ids(connection: Any, dictionary: str, rows: pl.DataFrame, column: str) -> pl.Series:
    """Of each row the id of its text; null where there is none."""
    table, number, text = BOOKS.get(dictionary, WORDS)
    coded = rows[column].to_arrow().dictionary_encode()
    wanted = coded.dictionary.to_pylist()
    known = _known(connection, table, number, text, wanted)
    missing = sorted(name for name in wanted if name not in known)
    if missing and dictionary == "machines":
        of = dict(rows.select("machine_id", "source").unique().rows())
        _insert(connection, "machine_names (machine_id, source)", [(name, of[name]) for name in missing])
    elif missing:
        _insert(connection, f"{table} ({text})", [(name,) for name in missing])
    if missing:
        known |= _known(connection, table, number, text, missing)
    numbers = pl.Series([known[name] for name in wanted], dtype=pl.Int32)
    return numbers.gather(pl.Series(coded.indices))


def _known(connection: Any, table: str, number: str, text: str, wanted: Sequence[str]) -> dict[str, int]:
    asked = f"SELECT {text}, {number} FROM store.{table} WHERE {text} = ANY(%s)"
    return dict(connection.execute(asked, [wanted]).fetchall())


def _insert(connection: Any, into: str, rows: Sequence[tuple[str, ...]]) -> None:
    places = ", ".join(["%s"] * len(rows[0]))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO store.{into} VALUES ({places})", rows)


def _as_json(values: pl.Series) -> list[str | None]:
    import json

    return [None if value is None else json.dumps(value, default=str, allow_nan=False) for value in values.to_list()]
