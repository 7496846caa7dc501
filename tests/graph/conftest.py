"""A prepared home with an instance of its own, for tests that materialize the real graph."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from homes import Plant


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Plant(tmp_path / "home", instance)
