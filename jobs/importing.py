"""`smartmaint import`: originals into the inbox, landed through Dagster, counted in a receipt."""

from pathlib import Path
from typing import Any

from jobs.failures import CommandError
from jobs.runs import opened
from pipelines.importers.formats import HEALTHY, IMPORTERS
from pipelines.register import Source
from resources.home import Home
from resources.inbox import SOURCE, Inbox
from resources.register import RegisterFile

COUNTS = (
    "files", "rows_read", "rows_landed", "rows_duplicate", "rows_quarantined", "rows_empty",
    "values_landed", "values_quarantined", "values_corrected", "files_quarantined",
)  # fmt: skip
"""What a receipt says of what landed."""


def import_files(root: Path, *, dataset: str, path: Path, source: str) -> dict[str, Any]:
    """Land one file, or every file of a folder, as `source`.

    Returns:
        The receipt: counts in rows of the source, `files_taken_by_another_run` (such as that of a running `up`, whose
        receipt then counts them), `values_landed`, `partitions` (days of the lake written), `seconds`,
        `rows_per_second`, `refused` with the reason and quarantine folder of whatever could not be used, and `left`
        with what could not be had and waits in the inbox.
    Raises:
        CommandError: No such format or path, no file that can be read, no source name, or the run failed.
        RegisterError: The register is broken, or declares the source with another importer.
    """
    if dataset not in IMPORTERS:
        raise CommandError(f"no importer {dataset!r}; known are {', '.join(IMPORTERS)}")
    if not SOURCE.fullmatch(source):
        raise CommandError(f"source is {source!r}; expected lower-case letters, digits and -, such as line-1")
    files = _files(path)
    home = Home(root)
    with opened(root) as runner:
        register = RegisterFile(machines=str(home.machines), crew=str(home.crew))
        register.declare_source(Source(source, dataset, healthy=HEALTHY.get(dataset)))
        inbox = Inbox(root=str(root))
        put = [inbox.put(file, source=source) for file in files]
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
        "refused": counts["refused"],
        "left": counts["left"],
    }


def _files(path: Path) -> list[Path]:
    """What to import, all of it readable: of a folder either every file is put into the inbox or none.

    Raises:
        CommandError: There is none, or one may not be read.
    """
    try:
        if not path.exists():
            raise CommandError(f"{path}: no such file or folder")
        if path.is_file():
            files = [path]
        else:
            files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        for file in files:
            file.open("rb").close()
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}; nothing was imported") from None
    if not files:
        raise CommandError(f"{path}: the folder holds no file")
    return files
