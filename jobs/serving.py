"""`smartmaint serving`: the server that results are published to."""

from typing import TYPE_CHECKING, Annotated

import typer

from jobs.failures import CommandError
from jobs.options import HomeOption, JsonOption, home_root, stated
from jobs.output import OUT, print_json, print_table, say_error

if TYPE_CHECKING:
    from resources.home import Home
    from resources.serving.timescale import TimescaleServing

app = typer.Typer(no_args_is_help=True, help="A TimescaleDB server for BI: prepare it, see how far it is.")


@app.command()
def prepare(
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Replace the rows of another home that published there.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make or update schema, views and roles on the server; as its owner. Again changes nothing."""
    from resources.home import Home

    with stated():
        server = server_of(Home(home_root(home)))
        edition, left = server.prepare(take_over=take_over)
    if as_json:
        print_json({"server": server.place, "edition": edition, "left": left})
        return
    OUT.print(f"{server.place}: {edition}; schema, views and the roles bi_reader and smartmaint_writer are ready.")
    OUT.print("Other roles of the server connect to this database no longer, unless you grant it to them.")
    OUT.print(r"Give each role a password: psql, then \password bi_reader")
    for line in left:
        say_error(line)


@app.command()
def status(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Which edition answers, and how far each table is behind the lake."""
    from resources.home import Home
    from resources.lake import Lake

    with stated():
        place = Home(home_root(home))
        server = server_of(place)
        edition, rows = server.status(Lake(root=str(place.lake)))
    if as_json:
        print_json({"server": server.place, "edition": edition, "tables": rows})
    else:
        shown = ("table", "lake_version", "taken_version", "taken_at", "is_current")
        print_table(f"{server.place}: {edition}", shown, [[row[name] for name in shown] for row in rows])


def server_of(home: "Home") -> "TimescaleServing":
    """The server of a home.

    Raises:
        CommandError: There is no home, or none is set.
    """
    from resources.serving.timescale import TimescaleServing, home_id, serving_settings

    if not (home.root / "home.json").exists():
        raise CommandError(f"{home.root} is no home yet: `smartmaint prepare` makes it one")
    if url := serving_settings(home.settings).url:
        return TimescaleServing(url, home_id(home.root))
    raise CommandError(
        f"no server is set: name it in SMARTMAINT_SERVING_URL, or as `url` in section [serving] of {home.settings}"
    )
