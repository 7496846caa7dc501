"""`smartmaint incidents`: what happened before that looks like it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.failures import CommandError
from jobs.options import HomeOption, JsonOption, home_root, stated
from jobs.output import print_json, print_table

app = typer.Typer(no_args_is_help=True, help="Past incidents: which were like this one, and what became of them.")

SHOWN = ("started_at", "machine_id", "similarity", "summary", "verdict", "work_order", "failure_mode", "outcome")


@app.callback()
def incidents() -> None:
    """Past incidents: which were like this one, and what became of them."""


@app.command()
def similar(
    machine: Annotated[
        str | None, typer.Option(help="Machine whose newest incident others are compared with, such as plant.pump-01.")
    ] = None,
    alarm: Annotated[str | None, typer.Option(help="Incident that others are compared with, by its alarm.")] = None,
    text: Annotated[str | None, typer.Option(help="Words to look for, such as 'vibration high bearing'.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most incidents.")] = 5,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The nearest past incidents: by what their sensors did and by their words, or by words alone."""
    if sum(given is not None for given in (machine, alarm, text)) != 1:
        raise typer.BadParameter("name one of --machine, --alarm and --text")
    with stated():
        document = find(home_root(home), machine=machine, alarm=alarm, text=text, limit=limit)
    if as_json:
        print_json(document)
        return
    if asked := document["incident"]:
        print_table("incident", ["", ""], [(name, asked[name]) for name in SHOWN if name in asked])
    rows = [[row[name] for name in SHOWN] for row in document["similar"]]
    print_table("similar incidents before it" if asked else "incidents with these words", SHOWN, rows)


def find(
    root: Path, *, machine: str | None = None, alarm: str | None = None, text: str | None = None, limit: int = 5
) -> dict[str, Any]:
    """Past incidents like one, or with words.

    Args:
        root: Home.
        machine: Whose newest incident is meant; or
        alarm: the incident of an alarm; or
        text: words to look for.
        limit: Most incidents.
    Returns:
        `incident`, null where words were looked for, and `similar`, the nearest first.
    Raises:
        CommandError: There is no home, no such machine or incident, nothing to look for or no incident at all.
        IncidentIndexError: There is no index, or it is damaged.
    """
    from resources.home import Home
    from resources.incident_index import FACTS, IncidentIndex

    home = Home(root)
    if not (root / "home.json").exists():
        raise CommandError(f"{root} is no home; name one with --home, or make one: every other command does")
    index = IncidentIndex(root=str(home.incidents))
    if text is not None:
        if not any(letter.isalnum() for letter in text):
            raise CommandError(f"--text is {text!r}; expected words, such as 'vibration high'")
        if index.rows() == 0:
            raise CommandError("no machine has had an incident yet: there is nothing to look in")
        return {"incident": None, "similar": index.search(text=text, limit=limit).to_dicts()}
    asked = index.incident(alarm=alarm, machine=machine)
    if asked is None:
        raise CommandError(_missing(home, alarm, machine))
    found = index.search(asked["signature"], asked["summary"], limit=limit, before=asked["started_at"])
    return {"incident": {name: asked[name] for name in FACTS}, "similar": found.to_dicts()}


def _missing(home: Any, alarm: str | None, machine: str | None) -> str:
    from resources.lake import Lake

    later = "; one of the last minutes is there after the next plan: `smartmaint run`"
    if alarm is not None:
        return f"no incident has the alarm {alarm!r}: the view `alarms` lists them{later}"
    known = Lake(root=str(home.lake)).read("machines")["machine_id"].sort().to_list()
    if machine in known:
        return f"machine {machine!r} has had no incident{later}"
    some = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    return f"no machine {machine!r}; known are {some or 'none yet'}"
