"""`smartmaint`: the command line. A command is a way to start something; what it starts is elsewhere."""

import csv
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs import incidents, quarantine, serving
from jobs.options import HomeOption, JsonOption
from jobs.options import home_root as _root
from jobs.options import stated as _stated
from jobs.output import OUT, print_json, print_table, say_error

if TYPE_CHECKING:
    from jobs.findings import Finding

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(incidents.app, name="incidents")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(serving.app, name="serving")

FORMATS = ("table", "csv", "json")


def main() -> None:
    """Entry point of the script."""
    app()


@app.command()
def demo(
    home: HomeOption = None,
    as_json: JsonOption = False,
    seed: Annotated[int, typer.Option(help="Of the simulated plant.")] = 1,
    days: Annotated[int, typer.Option(min=9, max=60, help="Days to live through.")] = 30,
) -> None:
    """A simulated plant with known faults, landed day by day through the whole graph."""
    from jobs.demo import live

    with _stated():
        document = live(_root(home), seed=seed, days=days, quiet=as_json)
    if as_json:
        print_json(document)


@app.command()
def up(
    home: HomeOption = None,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
    warm_workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=4,
            help="Processes that stay loaded for what lands: results sooner, for some 300 MB each. Kept in the home; 0 "
            r"for none.  \[default: as last time, at first 0]",
        ),
    ] = None,
) -> None:
    """Dagster's web page, sensor and schedules for this home, until stopped."""
    from jobs.up import serve

    with _stated():
        status = serve(_root(home), port=port, warm_workers=warm_workers, told=OUT.print)
    raise typer.Exit(status)


@app.command("import")
def import_(
    dataset: Annotated[
        str, typer.Argument(help="Format: readings, table, ai4i, nasa-ims, xjtu-sy, mimii, kaggle-pump, cmapss, ...")
    ],
    path: Annotated[Path, typer.Argument(help="A file, or a folder of them.")],
    source: Annotated[str | None, typer.Option(help=r"Name of the data in this home.  \[default: DATASET]")] = None,
    mapping: Annotated[Path | None, typer.Option(help="Of a table: TOML file that says which column is what.")] = None,
    guess: Annotated[bool, typer.Option("--guess", help="Of a table: print a draft of the mapping.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put original files into the inbox and land them; `run` does the rest."""
    from jobs.importing import drafted, import_files, read_mapping

    if (guess or mapping) and dataset != "table":
        raise typer.BadParameter("--guess and --mapping are for tables", param_hint="DATASET")
    with _stated():
        if guess:
            draft = drafted(path)
            print_json({"mapping": draft}) if as_json else OUT.out(draft, highlight=False, end="")
            return
        table = None if mapping is None else read_mapping(mapping)
        receipt = import_files(_root(home), dataset=dataset, path=path, source=source or dataset, table=table)
    refused, left, left_out = (receipt.pop(name) for name in ("refused", "left", "left_out"))
    if as_json:
        print_json({**receipt, "left_out": left_out, "refused": refused, "left": left})
    else:
        print_table(f"import {dataset}", ["", ""], receipt.items())
        if left_out:
            OUT.print(f"{len(left_out)} files of the folder are none of this data set, such as {left_out[0]}")
    for entry in refused:
        say_error(f"{entry['file']}: {entry['message']}. Kept with its reason in {entry['folder']}")
    for entry in left:
        say_error(entry["message"])
    if receipt["files_quarantined"] or left:
        raise typer.Exit(1)


@app.command()
def download(
    dataset: Annotated[str, typer.Argument(help="Public data set, such as ai4i, nab, skab, cwru, mimii.")],
    to: Annotated[Path | None, typer.Option(help=r"Folder to put it in.  \[default: downloads/DATASET]")] = None,
    only: Annotated[str, typer.Option(help="Names of files, such as '*_fan.zip'.")] = "*",
    as_json: JsonOption = False,
) -> None:
    """Fetch a public data set from its publisher, held against a checksum; `import` takes it from there."""
    from jobs.downloading import download as fetched

    with _stated():
        told = fetched(dataset, (to or Path("downloads") / dataset).resolve(), only=only)
    if as_json:
        print_json(told)
        return
    rows = [[file["name"], file["bytes"], file["checksum"], file["held_against"]] for file in told["files"]]
    print_table(f"download {dataset} ({told['terms']})", ["file", "bytes", "checksum", "held against"], rows)
    then = f"{told['then']}, then " if told["then"] else ""
    OUT.print(f"in {told['folder']}; next: {then}smartmaint import {dataset} {told['folder']}")


@app.command()
def run(
    source: Annotated[str | None, typer.Option(help=r"One source only.  \[default: every source]")] = None,
    day: Annotated[
        str | None, typer.Option(help="Run as if it were the end of this UTC day, such as 2018-04-04.")
    ] = None,
    select: Annotated[str | None, typer.Option(help="Assets to materialize, separated by commas.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring everything up to date through Dagster: what waits in the inbox, then all that follows, then the plan."""
    from jobs.running import run_all

    with _stated():
        document = run_all(_root(home), source=source, day=day, select=select.split(",") if select else None)
    if as_json:
        print_json(document)
    else:
        rows = [
            (r["job"], r["source"], r["run_id"], f"{r['seconds']:.1f} s", r["rows_written"]) for r in document["runs"]
        ]
        print_table("runs", ["job", "source", "run", "time", "rows written"], rows)
    for entry in document["left"]:
        say_error(entry["message"])
    for failure in document["failures"]:
        say_error(failure)
    if document["failures"]:
        raise typer.Exit(1)


@app.command()
def rebuild(
    day: Annotated[str | None, typer.Option(help="What follows is computed as at the end of this UTC day.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """The lake anew from the archived originals, and everything that follows from it."""
    from jobs.rebuild import rebuild as build_anew

    with _stated():
        document = build_anew(_root(home), day=day)
    if as_json:
        print_json(document)
    else:
        shown = ("files", "values", "carried", "seconds")
        print_table("rebuild", ["", ""], [(name, document[name]) for name in shown])
    for line in document["missing"]:
        say_error(f"{line}: neither the archive nor the old lake has it any more")
    for failure in document["failures"]:
        say_error(failure)
    if document["failures"]:
        raise typer.Exit(1)


@app.command()
def simulate(  # noqa: PLR0913, PLR0917 a command has as many parameters as options
    machines: Annotated[int, typer.Option(min=1, help="Machines of the fleet.")] = 10,
    sensors: Annotated[int, typer.Option(min=1, help="Sensors of each machine.")] = 6,
    rate: Annotated[float, typer.Option(min=0.001, help="Readings of each sensor in a second, in Hz.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=0.0, help="How long to send.")] = 60.0,
    batch_seconds: Annotated[float, typer.Option(min=0.1, help="Time that one file holds.")] = 1.0,
    history_hours: Annotated[
        float, typer.Option(min=0.0, help="Hours of the past to land first, declared as healthy.")
    ] = 0.0,
    source: Annotated[str, typer.Option(help="Name of the data in this home.")] = "fleet",
    seed: Annotated[int, typer.Option(help="Of the readings.")] = 1,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """A fleet that sends now: file by file into the inbox, where `up` finds them."""
    from jobs.simulate import Feed
    from jobs.simulate import simulate as send
    from pipelines.simulation.fleet import Fleet

    feed = Feed(source, rate, seconds, batch_seconds, history_hours)
    with _stated():
        receipt = send(_root(home), Fleet(seed, machines, sensors), feed)
    if as_json:
        print_json(receipt)
    else:
        print_table("simulate", ["", ""], receipt.items())


@app.command()
def sql(
    query: Annotated[str, typer.Argument(help="One SELECT or EXPLAIN.")],
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    server: Annotated[bool, typer.Option("--server", help="Ask the server that results are published to.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Query the results, read-only; views as in `select * from information_schema.tables where table_schema = 'bi'`."""
    from resources.home import Home
    from resources.serving.duckdb_catalog import Catalog
    from resources.serving.interface import Serving

    if form not in FORMATS:
        raise typer.BadParameter(f"{form!r}; expected table, csv or json", param_hint="--format")
    with _stated():
        place = Home(_root(home))
        local = Catalog(path=str(place.catalog), lake_root=str(place.lake))
        asked: Serving = serving.server_of(place) if server else local
        answer = asked.query(query)
    if as_json:
        print_json({"columns": answer.columns, "rows": answer.rows})
    elif form == "json":
        records = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        sys.stdout.write(json.dumps(records, default=str, ensure_ascii=False) + "\n")
    elif form == "csv":
        writer = csv.writer(sys.stdout)
        writer.writerow(answer.columns)
        writer.writerows(answer.rows)
    else:
        print_table(f"{len(answer.rows)} rows", answer.columns, answer.rows)


@app.command()
def doctor(
    mend: Annotated[bool, typer.Option("--mend/--check", help="Mend what is safe to mend, or only tell.")] = True,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is wrong with a home: dead runs, leftovers, catalog, tables, disk, clock, inbox, files people edit."""
    from jobs.doctor import examine

    with _stated():
        findings = examine(_root(home), mend=mend)
    _print_findings(findings, as_json)
    if any(finding.state == "open" for finding in findings):
        raise typer.Exit(1)


@app.command()
def prepare(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Make the home ready and mend it, for a Dagster whose parts somebody else starts: what `up` does first."""
    from jobs.doctor import examine
    from resources.home import Home

    with _stated():
        Home(_root(home)).prepare(warm_workers=0)  # the daemon's, and so out of sight of who works elsewhere
        findings = examine(_root(home), mend=True, starts=True)
    _print_findings(findings, as_json)


def _print_findings(findings: "list[Finding]", as_json: bool) -> None:
    if as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(each.state, each.check, each.what, each.where, each.remedy) for each in findings]
        print_table("findings", ["", "check", "found", "where", "remedy"], rows)


@app.command()
def bench(
    name: Annotated[
        str | None,
        typer.Argument(help="One only: windows, incidents, vibration, ingest, latency, growth, load, query."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=10.0, help=r"Of latency: how long each feed lasts.  \[default: 300]")
    ] = None,
    batches: Annotated[int | None, typer.Option(min=12, help=r"Of growth: how many land.  \[default: 1000]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Speed as a ratio to a baseline of the same run; the others run when named."""
    from jobs.bench import BENCHES, LONG, run_bench

    if name is not None and name not in (*BENCHES, *LONG):
        raise typer.BadParameter(f"{name!r}; known are {', '.join((*BENCHES, *LONG))}", param_hint="NAME")
    for chosen in [name] if name else list(BENCHES):
        with _stated():
            rows = run_bench(chosen, seconds=seconds, batches=batches)
        if as_json:
            print_json({"bench": chosen, "rows": rows})
        else:
            print_table(f"bench {chosen}", list(rows[0]), [row.values() for row in rows])
