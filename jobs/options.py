"""What commands share: the home, one JSON document instead of tables, and errors in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from jobs.output import say_error
from pipelines.failures import StatedError
from resources.settings import from_environment

HomeOption = Annotated[
    Path | None, typer.Option("--home", help=r"Folder of all run-time state.  \[default: data/home]")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else there.")]


def home_root(home: Path | None) -> Path:
    """The home that was named, or that of the environment; absolute."""
    return (home or from_environment().home).expanduser().resolve()


@contextmanager
def stated() -> Iterator[None]:
    """Errors that say all a person needs become one line; anything else is a defect and shows its trace."""
    try:
        yield
    except StatedError as error:
        say_error(str(error))
        raise typer.Exit(1) from None
