"""What the doctor finds, and what its checks are given."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import dagster as dg

from resources.home import Home
from resources.inbox import Inbox
from resources.incident_index import IncidentIndex
from resources.lake import Lake
from resources.lake_maintenance import LakeMaintenance
from resources.serving.duckdb_catalog import Catalog


@dataclass(frozen=True)
class Finding:
    """Attributes:
    check: Which check found it.
    what: What was found.
    where: Path, run or name.
    remedy: What to do, or what was done.
    state: `mended`; `open`: a person must act; `note`: worth knowing, nothing is wrong.
    """

    check: str
    what: str
    where: str
    remedy: str
    state: Literal["mended", "open", "note"] = "open"


@dataclass(frozen=True)
class Patient:
    """A home under examination.

    Attributes:
        home: What is examined.
        instance: Dagster's instance of it; None where its storage cannot be opened.
        mends: Whether what is safe to mend is mended.
        starts: Whether a daemon is about to start: it takes what is queued.
        now: Present time, in seconds since 1970.
    """

    home: Home
    instance: dg.DagsterInstance | None
    mends: bool
    starts: bool = False
    now: float = field(default_factory=time.time)

    @property
    def lake(self) -> Lake:
        return Lake(root=str(self.home.lake))

    @property
    def lake_maintenance(self) -> LakeMaintenance:
        return LakeMaintenance(root=str(self.home.lake))

    @property
    def inbox(self) -> Inbox:
        return Inbox(root=str(self.home.root))

    @property
    def catalog(self) -> Catalog:
        return Catalog(path=str(self.home.catalog), lake_root=str(self.home.lake))

    @property
    def incident_index(self) -> IncidentIndex:
        return IncidentIndex(root=str(self.home.incidents))

    def mended(self) -> Literal["mended", "open"]:
        """State of what is mended if anything is."""
        return "mended" if self.mends else "open"


Check = Callable[[Patient], Iterator[Finding]]
