"""`smartmaint import`: originals into the inbox, landed through Dagster, counted in a receipt."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, track

from assets.landing import PROGRESS
from jobs.failures import CommandError
from jobs.output import ERR
from jobs.runs import opened
from pipelines.importers.containers import natural
from pipelines.importers.formats import HEALTHY, IMPORTERS
from pipelines.importers.layouts import PATTERNS, Layout
from pipelines.importers.parsed import FileError
from pipelines.register import Source
from resources.home import Home
from resources.inbox import SOURCE, Inbox
from resources.register import RegisterFile

PACKED_BYTES, PACKED_FILES = 256 << 20, 2_000
"""Of one archive that files are packed into: as much as may have to be read again where a run is cut short."""
FOLDER_BYTES = 1 << 30
"""Of one folder in one archive."""
COUNTS = (
    "files", "rows_read", "rows_landed", "rows_duplicate", "rows_quarantined", "rows_empty",
    "values_landed", "values_quarantined", "values_corrected", "labels_landed", "events_landed", "snapshots_landed",
    "files_quarantined",
)  # fmt: skip
"""What a receipt says of what landed."""


def import_files(
    root: Path, *, dataset: str, path: Path, source: str, table: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Land one file, or every file of a folder that belongs to the data set, as `source`.

    Args:
        root: Home.
        dataset: Format of the files.
        path: A file or a folder; of a data set in many files, the folder is searched to its depth.
        source: Whose they are.
        table: Which column is what, for the importer `table`; None for what the register declares.
    Returns:
        The receipt: counts in rows of the source, `files_taken_by_another_run` (such as that of a running `up`, whose
        receipt then counts them), `values_landed`, `partitions` (days of the lake written), `seconds`,
        `rows_per_second`, `left_out` (files of the folder that are none of the data set), `refused` with the reason and
        quarantine folder of whatever could not be used, and `left` with what could not be had and waits in the inbox.
    Raises:
        CommandError: No such format or path, no file that can be read, no source name, or the run failed.
        RegisterError: The register is broken, or declares the source with another importer.
    """
    if dataset not in IMPORTERS:
        raise CommandError(f"no importer {dataset!r}; known are {', '.join(IMPORTERS)}")
    if not SOURCE.fullmatch(source):
        raise CommandError(f"source is {source!r}; expected lower-case letters, digits and -, such as line-1")
    layout = PATTERNS.get(dataset)
    files, left_out = _files(path, layout)
    home = Home(root)
    with opened(root) as runner:
        register = RegisterFile(machines=str(home.machines), crew=str(home.crew))
        if dataset == "table" and table is None and register.load().source(source).table is None:
            told = f"nothing says which column of the table is what: `smartmaint import table {path} --guess` drafts it"
            raise CommandError(f"source {source}: {told}, --mapping FILE takes it")
        register.declare_source(Source(source, dataset, healthy=HEALTHY.get(dataset), table=table))
        put = list(track(_put(files, layout, source, Inbox(root=str(root))), "inbox", console=ERR, disable=_is_piped()))
        with _shown(len(put)):
            ran = runner.run("import_batch", source=source, files=put)
    if ran.failures:
        raise CommandError(f"{'; '.join(ran.failures)}. The files wait in {home.landing / source}")
    counts = ran.assets["readings"]
    return {
        "source": source,
        **{name: counts[name] for name in COUNTS},
        "files_taken_by_another_run": max(0, len(put) - counts["files"] - len(counts["left"])),
        "partitions": counts["partitions"],
        "seconds": round(ran.seconds, 3),
        "rows_per_second": round(counts["rows_read"] / ran.seconds, 1),
        "run_id": ran.run_id,
        "left_out": left_out,
        "refused": counts["refused"],
        "left": counts["left"],
    }


def drafted(path: Path) -> str:
    """A first draft of the mapping of a table.

    Raises:
        CommandError: No such file, or no table.
    """
    from pipelines.importers.guess import draft

    try:
        return draft(path)
    except (OSError, FileError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def read_mapping(path: Path) -> dict[str, Any]:
    """A mapping out of its file, as the register keeps it.

    Raises:
        CommandError: Not readable as TOML.
        MappingError, UnitError: It says something that cannot be meant.
    """
    from pipelines.importers.mapping import parse_mapping

    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    parse_mapping(table)
    return table


@contextmanager
def _shown(files: int) -> Iterator[None]:
    """A bar of the files that are done, and a count of the rows, on a terminal."""
    columns = (TextColumn("land"), BarColumn(), MofNCompleteColumn(), TextColumn("files, {task.fields[rows]:,} rows"))
    with Progress(*columns, console=ERR, disable=_is_piped()) as display:
        task, rows = display.add_task("", total=files, rows=0), 0

        def tell(done: int, read: int) -> None:
            nonlocal rows
            rows += read
            display.update(task, advance=done, rows=rows)

        token = PROGRESS.set(tell)
        try:
            yield
        finally:
            PROGRESS.reset(token)


def _is_piped() -> bool:
    return not ERR.is_terminal


def _put(files: Sequence[Path], layout: Layout | None, source: str, inbox: Inbox) -> Iterator[str]:
    """Put files into the inbox: as they are, or packed where their names and folders say what they are."""
    parents = None if layout is None else layout.parents
    packed = [] if parents is None else [file for file in files if file.suffix.lower() != ".zip"]
    named = _named(packed, parents or 0)
    for file in files if parents is None else (file for file in files if file.suffix.lower() == ".zip"):
        yield inbox.put(file, source=source)
    for number, pack in enumerate(_packs(named), start=1):
        yield inbox.pack(pack, source=source, name=f"{source[:40]}-{number:04}.zip")


def _named(files: Sequence[Path], parents: int) -> dict[str, Path]:
    """Files by the name and folders that say what they are.

    Raises:
        CommandError: Two say the same.
    """
    named: dict[str, Path] = {}
    for file in files:
        name = "/".join(file.resolve().parts[1:][-1 - parents :])
        if name in named:
            told = f"{named[name]} and {file} are both {name} of this data set; import one folder at a time"
            raise CommandError(f"{told}, the other under another --source; nothing was imported")
        named[name] = file
    return named


def _packs(files: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Files in groups that are worth an archive each; the same files give the same groups.

    A folder is a life or an experiment, and is read as a whole: it stays in one archive unless it is far too large.
    """
    pack: dict[str, Path] = {}
    held = 0
    for _, group in groupby(files.items(), key=lambda item: item[1].parent):
        folder = dict(group)
        size = sum(file.stat().st_size for file in folder.values())
        if pack and (held + size > PACKED_BYTES or len(pack) + len(folder) > PACKED_FILES):
            yield pack
            pack, held = {}, 0
        for name, file in folder.items():
            if held > FOLDER_BYTES:
                yield pack
                pack, held = {}, 0
            pack[name] = file
            held += file.stat().st_size
    if pack:
        yield pack


def _files(path: Path, layout: Layout | None) -> tuple[list[Path], list[str]]:
    """What to import, all of it readable, and what of a folder is no file of the data set.

    Of a folder either every file is put into the inbox or none.

    Raises:
        CommandError: There is none, or one may not be read.
    """
    try:
        if not path.exists():
            raise CommandError(f"{path}: no such file or folder")
        found = [path] if path.is_file() else _below(path, is_deep=layout is not None)
        files = [file for file in found if path.is_file() or layout is None or layout.holds(file.as_posix())]
        for file in files:
            file.open("rb").close()
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}; nothing was imported") from None
    if not files:
        expected = f" of this data set: expected files such as {layout.expected}" if layout and found else ""
        raise CommandError(f"{path}: the folder holds no file{expected}")
    taken = set(files)
    return files, [str(file) for file in found if file not in taken]


def _below(folder: Path, *, is_deep: bool) -> list[Path]:
    """Files of a folder in natural order, hidden ones left alone."""
    if not is_deep:
        return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))
    found = []
    for place, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(found, key=lambda file: natural(file.as_posix()))


def _raise(error: OSError) -> None:
    raise error
