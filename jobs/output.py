"""What the command line prints: tables for people, one JSON document for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Console(highlight=False, width=None if sys.stdout.isatty() else 160)
ERR = Console(stderr=True, highlight=False)


def print_json(document: Mapping[str, Any]) -> None:
    """The one document of `--json`, on standard output."""
    sys.stdout.write(json.dumps(document, default=_plain, ensure_ascii=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table for people; says so where it has no rows."""
    listed = [[shown(value) for value in row] for row in rows]
    if not listed:
        OUT.print(f"{title}: none")
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in listed:
        table.add_row(*row)
    OUT.print(table)


def say_error(message: str) -> None:
    """One error, on standard error."""
    ERR.print(f"[bold red]error[/]: {_escaped(message)}")


def shown(value: Any) -> str:
    """A value as people read it: moments to the minute, in UTC."""
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return _escaped(str(value))


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value)
