"""The data dictionary: every view, its columns and how they hang together, as a page for people."""

import polars as pl

from pipelines.contracts.views import RELATIONS, VIEWS, Relation, View

TYPES = (
    (pl.String, "text"),
    (pl.Float64, "double"),
    (pl.Int64, "bigint"),
    (pl.Boolean, "boolean"),
    (pl.Datetime, "timestamptz"),
    (pl.Date, "date"),
)
OPENING = """# Data dictionary

Every view of schema `bi`: the same names, columns and answers in the DuckDB catalog and on a TimescaleDB server. `make
dictionary` writes this page from `pipelines/contracts/views.py`, where databases have their comments from too. [How to
connect, and questions with their SQL](bi.md).

All times are UTC. A score lies in [0, 1], and high is worse. Where a null may stand, the page says what it means. A
`list` is a list of records in DuckDB and `jsonb` on the server.

"""
DIAGRAM = """## How the views hang together

A solid line: the row that is named is there. A dotted one: it may have been revised since, and be there no more. Boxes
show keys (PK) and what names a row elsewhere (FK); the columns follow below.

"""


def page() -> str:
    """The whole page, in Markdown with one Mermaid diagram."""
    views = "\n".join(map(_section, VIEWS.values()))
    return f"{OPENING}{_contents()}\n{DIAGRAM}{_diagram()}\n{views}"


def _contents() -> str:
    rows = (f"| [`{view.name}`](#{view.name}) | {_cell(view.about)} |\n" for view in VIEWS.values())
    return f"| View | One row is |\n|---|---|\n{''.join(rows)}"


def _section(view: View) -> str:
    rows = "".join(
        f"| `{column.name}` | {_type(column.dtype)} | {column.unit or ''} | {_cell(about)} | {_cell(null)} |\n"
        for column in view.columns
        for about, _, null in [column.about.partition(" Null: ")]
    )
    return (
        f"## {view.name}\n\n{view.about}\n\n"
        f"Key: {', '.join(f'`{part}`' for part in view.key)}.{_named(view)}\n\n"
        f"| Column | Type | Unit | Meaning | Null means |\n|---|---|---|---|---|\n{rows}"
    )


def _named(view: View) -> str:
    """Other views that this one names rows of."""
    return "".join(
        f" {', '.join(f'`{column}`' for column in one.columns)} {'names' if len(one.columns) == 1 else 'name'} "
        f"a row of [`{one.of}`](#{one.of}){'' if one.is_lasting else ', if it still stands'}."
        for one in RELATIONS
        if one.view == view.name
    )


def _type(dtype: pl.DataType) -> str:
    if isinstance(dtype, pl.List):
        return f"list of {_type(dtype.inner)}"  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return f"({', '.join(f'{field.name} {_type(field.dtype)}' for field in dtype.fields)})"  # type: ignore[arg-type]
    return next(name for kind, name in TYPES if dtype == kind)


def _diagram() -> str:
    lines = "".join(f"    {_line(one)}\n" for one in RELATIONS)
    return f"```mermaid\nerDiagram\n{lines}{''.join(map(_box, VIEWS.values()))}```\n"


def _line(relation: Relation) -> str:
    nullable = any(column.nullable for column in VIEWS[relation.view].columns if column.name in relation.columns)
    one = "|o" if nullable or not relation.is_lasting else "||"
    many = "o|" if set(relation.columns) == set(VIEWS[relation.view].key) else "o{"
    stroke = "--" if relation.is_lasting else ".."
    return f'{relation.of} {one}{stroke}{many} {relation.view} : "{", ".join(relation.columns)}"'


def _box(view: View) -> str:
    """Keys of one view and the columns that name rows of others."""
    naming = {column for one in RELATIONS if one.view == view.name for column in one.columns}
    rows = "".join(
        f"        {_type(column.dtype)} {column.name} {', '.join(marks)}\n"
        for column in view.columns
        for marks in [["PK"] * (column.name in view.key) + ["FK"] * (column.name in naming)]
        if marks
    )
    return f"    {view.name} {{\n{rows}    }}\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
