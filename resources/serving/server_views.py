"""Schema `bi` on a server: its views in SQL, made of their description and of how the tables lie."""

import hashlib
from collections.abc import Iterator

from pipelines.contracts.views import VIEWS, View
from resources.serving.layout import LAYOUTS, Layout

NAMES = {"machines": ("machine_names", "machine", "machine_id"), "sensors": ("sensor_names", "sensor", "name")}
"""Dictionaries other than `words`: table, id, text."""


def definition(view: View) -> str:
    """What follows CREATE."""
    return f"VIEW bi.{view.name} AS {_select(view)}"


def comments(view: View) -> Iterator[str]:
    """Statements that say what the view and each of its columns mean."""
    yield f"COMMENT ON VIEW bi.{view.name} IS {_quoted(view.about)}"
    for column in view.columns:
        yield f'COMMENT ON COLUMN bi.{view.name}."{column.name}" IS {_quoted(column.comment)}'


def version() -> str:
    """Changes with any view or comment."""
    told = [text for view in VIEWS.values() for text in (definition(view), *comments(view))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _select(view: View) -> str:
    if view.name == "readings_hourly":
        return _hourly(view)
    if view.name == "latest_reading":
        return _latest(view)
    return _table(view, LAYOUTS[view.name])


def _table(view: View, layout: Layout) -> str:
    """Rows of a table, ids told as text. Joins that a query needs no column of cost nothing: all are to a unique id."""
    sources = {column.seen: column for column in layout.columns}
    told, joins = [], []
    for column in view.columns:
        stored = sources.get(column.name)
        if column.name == "day":
            told.append(f"(t.{layout.time} AT TIME ZONE 'UTC')::date AS day")
        elif stored is None:
            told.append("machine_id_names.source")
        elif stored.dictionary is None:
            told.append(f't."{stored.name}"')
        else:
            table, number, name = NAMES.get(stored.dictionary, ("words", "word", "text"))
            alias = f"{column.name}_names"
            joins.append(f"LEFT JOIN store.{table} {alias} ON {alias}.{number} = t.{stored.name}")
            told.append(f"{alias}.{name} AS {column.name}")
    return f"SELECT {', '.join(told)} FROM store.{layout.table} t {' '.join(joins)}"


def _hourly(view: View) -> str:
    told = ", ".join(f't."{column.name}"' for column in view.columns[3:])
    return f"SELECT m.source, m.machine_id, s.name AS sensor, {told} FROM store.readings_hourly t {_JOINS}"


def _latest(view: View) -> str:
    """Of each series one descent of the index: it is read newest first."""
    told = ", ".join("w.text AS quality" if c.name == "quality" else f't."{c.name}"' for c in view.columns[3:])
    inner = "SELECT * FROM store.readings r WHERE r.machine = e.machine AND r.sensor = e.sensor"
    newest = f"CROSS JOIN LATERAL ({inner} ORDER BY recorded_at DESC LIMIT 1) t"
    words = "LEFT JOIN store.words w ON w.word = t.quality"
    return f"SELECT m.source, m.machine_id, s.name AS sensor, {told} FROM store.series e {newest} {_JOINS} {words}"


_JOINS = (
    "LEFT JOIN store.machine_names m ON m.machine = t.machine LEFT JOIN store.sensor_names s ON s.sensor = t.sensor"
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
