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

COUNTS = ("files", "rows_read", "rows_landed", "rows_duplicate", "rows_quarantined", "rows_empty")


def import_files(root: Path, *, dataset: str, path: Path, source: str) -> dict[str, Any]:
    """Land one file, or every file of a folder, as `source`.

    Returns:
        The receipt: counts in rows of the source, `values_landed`, `partitions` (days of the lake written), `seconds`,
        `rows_per_second`, `refused` with the reason and quarantine folder of whatever could not be used, and `left`
        with what could not be had and waits in the inbox.
    Raises:
        CommandError: No such format or path, no file in the folder, no source name, or the run failed.
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
        ran = runner.run("import_batch", source=source, files=[inbox.put(file, source=source) for file in files])
    if ran.failures:
        raise CommandError(f"{'; '.join(ran.failures)}. The files wait in {home.landing / source}")
    counts = ran.assets["readings"]
    return {
        "source": source,
        **{name: counts[name] for name in COUNTS},
        "files_quarantined": counts["files_quarantined"],
        "values_landed": counts["values_landed"],
        "values_quarantined": counts["values_quarantined"],
        "values_corrected": counts["values_corrected"],
        "partitions": counts["partitions"],
        "seconds": round(ran.seconds, 3),
        "rows_per_second": round(counts["rows_read"] / ran.seconds, 1),
        "run_id": ran.run_id,
        "refused": counts["refused"],
        "left": counts["left"],
    }


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise CommandError(f"{path}: no such file or folder")
    if path.is_file():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    if not files:
        raise CommandError(f"{path}: the folder holds no file")
    return files
