"""A file dropped into the inbox of a running installation becomes queryable scores with no other action."""

import time

import pytest
from homes import telemetry

from resources.home import Home
from resources.inbox import Inbox
from resources.serving.duckdb_catalog import Catalog
from resources.serving.interface import QueryError

pytestmark = pytest.mark.process
WITHIN_S = 150.0


def scored(catalog: Catalog) -> int:
    try:
        return catalog.query("select count(score) from anomaly_scores where source = 'line'").rows[0][0]
    except QueryError:  # no catalog before the first run has ended
        return 0


@pytest.mark.timeout(400)
def test_a_dropped_file_becomes_queryable_scores(up, tmp_path, record_property, capsys):
    home = Home(up.home)
    catalog = Catalog(path=str(home.catalog), lake_root=str(home.lake))
    seconds = []
    for number, readings in enumerate((telemetry(96), telemetry(97).tail(18))):
        file = tmp_path / f"{number}.parquet"
        readings.write_parquet(file)
        before, begun = scored(catalog), time.monotonic()
        Inbox(root=str(up.home)).put(file, source="line")
        while scored(catalog) == before and time.monotonic() - begun < WITHIN_S:
            time.sleep(0.2)
        seconds.append(time.monotonic() - begun)
        assert scored(catalog) > before
    assert scored(catalog) == 97 * 6
    with capsys.disabled():
        print(f"\nfile to queryable scores: first {seconds[0]:.1f} s, second {seconds[1]:.1f} s")  # noqa: T201
    assert not list((home.landing / "line").iterdir())
