"""Every format by the name that the register and `smartmaint import` use."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from pipelines.importers.ai4i import read_ai4i
from pipelines.importers.azure_pdm import read_azure_pdm
from pipelines.importers.cmapss import read_cmapss
from pipelines.importers.cwru import read_cwru
from pipelines.importers.femto import read_femto
from pipelines.importers.kaggle_pump import read_kaggle_pump
from pipelines.importers.long_table import read_long_table
from pipelines.importers.mimii import read_mimii
from pipelines.importers.nasa_ims import read_nasa_ims
from pipelines.importers.parsed import FileError, Parsed
from pipelines.importers.skab import read_skab
from pipelines.importers.table import read_table
from pipelines.importers.xjtu_sy import read_xjtu_sy
from pipelines.register import Source


class Importer(Protocol):
    """Reads one file as it lies there, piece by piece: pieces follow each other, no two share a row of the file.

    Raises `FileError` where it is not what it should be, before the first piece: what is wrong with one row, or with
    one member of an archive, is told in `broken`, so that the others land.
    """

    def __call__(self, path: Path, declared: Source) -> Iterator[Parsed]: ...


IMPORTERS: MappingProxyType[str, Importer] = MappingProxyType(
    {
        "readings": read_long_table,
        "kaggle-pump": read_kaggle_pump,
        "nasa-ims": read_nasa_ims,
        "xjtu-sy": read_xjtu_sy,
        "femto": read_femto,
        "cwru": read_cwru,
        "mimii": read_mimii,
        "ai4i": read_ai4i,
        "cmapss": read_cmapss,
        "skab": read_skab,
        "azure-pdm": read_azure_pdm,
        "table": read_table,
    }
)

HEALTHY = MappingProxyType({"kaggle-pump": (datetime(2018, 4, 1, tzinfo=UTC), datetime(2018, 4, 3, tzinfo=UTC))})
"""Known-good span of public data sets: the pump's first failure is on 2018-04-12."""


def read_file(path: Path, declared: Source) -> Iterator[Parsed]:
    """Read one file in the format its source declares, in pieces that fit memory.

    Raises:
        FileError: No such format, or the file is not in it.
    """
    reader = IMPORTERS.get(declared.importer)
    if reader is None:
        told = f"no importer {declared.importer!r}; known are {', '.join(IMPORTERS)}"
        raise FileError("unknown_format", f"source {declared.name}: {told}")
    yield from reader(path, declared)
