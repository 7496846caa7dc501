"""Every format by the name that the register and `smartmaint import` use."""

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pipelines.importers.kaggle_pump import read_kaggle_pump
from pipelines.importers.long_table import read_long_table
from pipelines.importers.parsed import FileError, Parsed


class Importer(Protocol):
    """Reads one file as it lies there; raises `FileError` where it is not what it should be."""

    def __call__(self, path: Path, *, source: str, zone: str) -> Parsed: ...


IMPORTERS: MappingProxyType[str, Importer] = MappingProxyType(
    {"readings": read_long_table, "kaggle-pump": read_kaggle_pump}
)

HEALTHY = MappingProxyType({"kaggle-pump": (datetime(2018, 4, 1, tzinfo=UTC), datetime(2018, 4, 3, tzinfo=UTC))})
"""Known-good span of public data sets: the pump's first failure is on 2018-04-12."""


def read_file(path: Path, *, importer: str, source: str, zone: str = "UTC") -> Parsed:
    """Read one file in the format its source declares; `zone` is that of times which name none.

    Raises:
        FileError: No such format, or the file is not in it.
    """
    reader = IMPORTERS.get(importer)
    if reader is None:
        raise FileError(
            "unknown_format", f"source {source}: no importer {importer!r}; known are {', '.join(IMPORTERS)}"
        )
    return reader(path, source=source, zone=zone)
