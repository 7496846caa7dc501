"""`smartmaint download`: public data sets from their publishers, with a checksum and a progress bar."""

from pathlib import Path
from typing import Any

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from jobs.failures import CommandError
from jobs.output import ERR
from resources.downloads import PLACES, fetch


class Bar:
    """One line of a progress display, in the form that pooch drives."""

    def __init__(self, display: Progress, name: str) -> None:
        self._display, self._task, self._total = display, display.add_task(name, total=None), 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, size: int) -> None:
        self._total = size
        self._display.update(self._task, total=size or None)

    def update(self, size: int) -> None:
        self._display.update(self._task, advance=size)

    def reset(self) -> None:
        self._display.reset(self._task)

    def close(self) -> None:
        self._display.stop_task(self._task)


def download(dataset: str, folder: Path, *, only: str) -> dict[str, Any]:
    """Fetch a data set, unless it is there.

    Returns:
        `dataset`, `folder`, `files` as `resources.downloads.fetch` tells them, `terms`, `page`, `then`.
    Raises:
        CommandError: No such data set.
        DownloadError: It cannot be had from here.
    """
    place = PLACES.get(dataset)
    if place is None:
        raise CommandError(f"no data set {dataset!r}; known are {', '.join(PLACES)}")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=ERR, disable=not ERR.is_terminal) as display:
        files = fetch(place, folder, only=only, progress=lambda name: Bar(display, name))
    told = {"terms": place.terms, "page": place.page, "then": place.then}
    return {"dataset": dataset, "folder": str(folder), "files": files, **told}
