"""`smartmaint quarantine`: what was refused and why, and bringing it back once its cause is mended."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.failures import CommandError
from jobs.options import HomeOption, JsonOption, home_root, stated
from jobs.output import print_json, print_table, say_error

if TYPE_CHECKING:
    from resources.inbox import Inbox, Refused

app = typer.Typer(no_args_is_help=True, help="Files and rows that were refused: list, show, replay.")

SourceOption = Annotated[str | None, typer.Option("--source", help=r"One source only.  \[default: every source]")]
SHORT = 12
ROWS = 20


@app.command("list")
def list_(source: SourceOption = None, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """What lies in quarantine, newest first."""
    from resources.inbox import Inbox

    with stated():
        entries = [_line(entry) for entry in Inbox(root=str(home_root(home))).refused(source=source)]
    if as_json:
        print_json({"entries": entries})
    else:
        shown = ("source", "day", "id", "name", "code", "values", "message")
        print_table("quarantine", shown, [[entry[name] for name in shown] for entry in entries])


@app.command()
def show(
    sha: Annotated[str, typer.Argument(metavar="ID", help="As `list` names it, or a longer beginning of the sha256.")],
    source: SourceOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Why one file was refused, and its first refused rows."""
    from resources.inbox import Inbox

    with stated():
        inbox = Inbox(root=str(home_root(home)))
        entry = find(inbox.refused(source=source), sha)
        rows = inbox.refused_rows(entry.folder)
    first = [] if rows is None else rows.sort("batch_row").head(ROWS).rows()
    if as_json:
        print_json({**entry.facts, "folder": entry.folder, "rows": [] if rows is None else rows.to_dicts()})
        return
    print_table(entry.folder, ["", ""], [item for item in entry.facts.items() if item[0] != "counts"])
    if rows is not None:
        print_table(f"refused, {len(first)} of {rows.height}", ["row", "column", "found", "reason"], first)


@app.command("replay")
def replay_(
    sha: Annotated[str | None, typer.Argument(metavar="[ID]", help="As `list` names it.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of the quarantine.")] = False,
    source: SourceOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge refused files once more, after a rule, the register or an importer was mended; what is good now lands."""
    if (sha is None) is not every:
        raise typer.BadParameter("name one ID, or --all", param_hint="ID")
    with stated():
        receipt = replay(home_root(home), sha=sha, source=source)
    refused, told = receipt.pop("refused"), receipt.pop("told")
    if as_json:
        print_json({**receipt, "refused": refused, "told": told})
    else:
        print_table("replay", ["", ""], receipt.items())
    for line in told:
        say_error(line)
    for entry in refused:
        say_error(f"{entry['file']}: {entry['message']}. Still in {entry['folder']}")
    if receipt["remaining"]:
        raise typer.Exit(1)


def replay(root: Path, *, sha: str | None, source: str | None) -> dict[str, Any]:
    """Land refused files once more, through Dagster; a file of which nothing is refused any more leaves the quarantine.

    Args:
        root: Home.
        sha: Beginning of the sha256 of one file; None for all.
        source: One source only; None for every.
    Returns:
        The receipt over all: counts in rows of the source, `released`, `remaining`, `runs`, `refused` with the new
        reasons, and in `told` what a replay cannot mend.
    Raises:
        CommandError: No such file, several that begin alike, or a run failed.
    """
    from jobs.importing import COUNTS
    from jobs.runs import opened
    from resources.home import Home
    from resources.inbox import Inbox
    from resources.register import RegisterFile

    inbox, home = Inbox(root=str(root)), Home(root)
    entries = inbox.refused(source=source)
    chosen = entries if sha is None else [find(entries, sha)]
    by_source: dict[str, list[Refused]] = {}
    for entry in reversed(chosen):  # oldest first
        by_source.setdefault(entry.facts["source"], []).append(entry)
    receipt: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), "runs": [], "refused": [], "told": []}
    with opened(root) as runner:
        register = RegisterFile(machines=str(home.machines), crew=str(home.crew)).load()
        for name, those in by_source.items():
            receipt["told"] += _moved(those, inbox, register.source(name).zone)
            ran = runner.run("import_batch", source=name, again=[entry.folder for entry in those])
            if ran.failures:
                raise CommandError(f"{'; '.join(ran.failures)}. Nothing has left the quarantine for it")
            counts = ran.assets["readings"]
            for count in COUNTS:
                receipt[count] += counts[count]
            receipt["refused"] += counts["refused"]
            receipt["runs"].append(ran.run_id)
    left = {entry.folder for entry in inbox.refused(source=source)} & {entry.folder for entry in chosen}
    return {**receipt, "released": len(chosen) - len(left), "remaining": len(left)}


def find(entries: "Sequence[Refused]", sha: str) -> "Refused":
    """The one entry whose sha256 begins so.

    Raises:
        CommandError: None does, or several do.
    """
    found = [entry for entry in entries if entry.facts["sha256"].startswith(sha.lower())]
    if not found or not sha:
        raise CommandError(f"nothing in quarantine begins with {sha!r}: `smartmaint quarantine list` names what does")
    if len(found) > 1:
        places = ", ".join(entry.folder for entry in found[:3])
        raise CommandError(f"{len(found)} entries begin with {sha!r} ({places}): name more of it, or --source")
    return found[0]


def _moved(entries: "Sequence[Refused]", inbox: "Inbox", zone: str) -> list[str]:
    """Files whose other rows landed with the clock of another zone: those stand at wrong times, whatever lands now."""
    notes = [inbox.landing_note(entry.facts["sha256"], source=entry.facts["source"]) or {} for entry in entries]
    return [
        f"{entry.facts['name']}: its other rows landed with zone {note['zone']}, now it is {zone}; "
        "`smartmaint rebuild` puts them right"
        for entry, note in zip(entries, notes, strict=True)
        if note.get("zone", zone) != zone
    ]


def _line(entry: "Refused") -> dict[str, Any]:
    facts = entry.facts
    return {
        "source": facts["source"],
        "day": facts["at"][:10],
        "id": facts["sha256"][:SHORT],
        "name": facts["name"],
        "code": facts["code"],
        "values": facts.get("values"),
        "message": facts["message"],
        "folder": entry.folder,
    }
