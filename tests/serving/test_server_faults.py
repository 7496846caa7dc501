"""A server that is killed, cut off or full in the middle of a load: nothing lost, nothing doubled, caught up by itself."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg
import pytest
from databases import database
from homes import telemetry

from pipelines.contracts.enforce import conform
from pipelines.contracts.registry import CONTRACTS
from resources.home import create_tables
from resources.lake import Lake
from resources.serving.interface import ServingError
from resources.serving.timescale import TimescaleServing

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]
KILLS = 20
ROWS = "SELECT count(*), sum(value::numeric), sum(batch_row), min(recorded_at), max(recorded_at) FROM store.readings"
HOURS = "SELECT count(*), sum(n), sum(max::numeric) FROM store.readings_hourly"


@dataclass
class Loading:
    """A lake of some hundred thousand readings and an empty server for them."""

    lake: Lake
    server: TimescaleServing

    def publish(self) -> None:
        self.server.publish(self.lake, ["readings"])

    def spoil(self, turn: int) -> None:
        """Make the next load one of three: straight into nothing, by way of a stage, or half of each."""
        with self.server.connected() as connection:
            connection.execute("DELETE FROM store.taken")
            if turn % 3 == 0:
                connection.execute("TRUNCATE store.readings, store.readings_hourly")
            elif turn % 3 == 1:
                connection.execute("UPDATE store.readings SET value = value + 1 WHERE batch_row % 5 = 0")
            else:
                connection.execute("DELETE FROM store.readings WHERE recorded_at >= '2026-01-20'")

    def told(self) -> tuple[tuple[object, ...], ...]:
        with self.server.connected() as connection:
            return connection.execute(ROWS).fetchone(), connection.execute(HOURS).fetchone()

    def is_right(self) -> bool:
        rows = self.lake.read("readings")
        (count, total, *_), (_, n, _) = self.told()
        return (count, n) == (rows.height, rows.height) and float(total) == pytest.approx(rows["value"].sum(), rel=1e-9)

    def backend(self) -> int | None:
        """Process of the server that loads."""
        asked = (
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'smartmaint' AND datname = current_database() "
            "AND state = 'active'"
        )
        with psycopg.connect(self.server.url, autocommit=True) as connection:
            found = connection.execute(asked).fetchone()
        return found[0] if found else None


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Loading]:
    with database() as url:
        yield filled(tmp_path, url)


def filled(root: Path, url: str) -> Loading:
    lake = Lake(root=str(root / "lake"))
    create_tables(lake)
    frame = telemetry(24 * 30, every_min=1).with_columns(
        source=pl.lit("line"),
        machine_id=pl.lit("line.pump-1"),
        quality=pl.lit("good"),
        landed_at=pl.col("recorded_at"),
        batch_id=pl.lit("b1"),
        batch_seq=pl.lit(65536, pl.Int64),
        batch_row=pl.int_range(pl.len(), dtype=pl.Int64),
    )
    lake.append("readings", conform(frame, CONTRACTS["readings"]), source="line", batches={"b1": 65536})
    return Loading(lake, TimescaleServing(url=url))


def killed(url: str) -> Callable[[int], None]:
    """Kills a process of the server, and waits until the server has noticed and taken the others down with it."""

    def kill(pid: int) -> None:
        with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as witness:
            os.kill(pid, signal.SIGKILL)
            while True:
                witness.execute("SELECT pg_sleep(0.01)")

    return kill


@pytest.mark.slow
def test_killed_in_the_middle_of_a_load_nothing_is_lost_or_doubled(loading):
    """Of one server process that is killed, PostgreSQL takes all down and recovers from its log."""
    loading.publish()
    assert loading.is_right()
    right, took = loading.told(), {}
    hits, tries, kill = 0, 0, killed(loading.server.url)
    while hits < KILLS:
        turn, tries = hits, tries + 1
        assert tries < 4 * KILLS
        loading.spoil(turn)
        spoiled = loading.told()
        hit = _interrupted(
            loading, kill, after=took.get(turn % 3, 2.0) * ((tries * 7) % 20 + 1) / 21, took=took, turn=turn
        )
        if hit:
            hits += 1
            assert loading.told() in (spoiled, right)  # all of a load, or none
        _until_it_answers(loading)
        loading.publish()
        assert loading.told() == right


def test_cut_off_in_the_middle_of_a_load_the_next_one_catches_up(loading):
    loading.publish()
    right, took = loading.told(), {}

    def cut(pid: int) -> None:
        with psycopg.connect(loading.server.url, autocommit=True) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])

    hits = 0
    for turn in range(6):
        loading.spoil(turn)
        spoiled = loading.told()
        hits += _interrupted(loading, cut, after=took.get(turn % 3, 1.0) * 0.5, took=took, turn=turn)
        assert loading.told() in (spoiled, right)
        loading.publish()
        assert loading.told() == right
    assert hits >= 3


def test_a_disk_that_is_full_is_told_and_the_next_load_with_room_is_whole(tmp_path):
    with database() as url, small_disk(url) as (location, mount):
        name = f"small_{os.getpid()}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE {name} LOCATION '{location}'")
            connection.execute(f"CREATE DATABASE {name} TABLESPACE {name}")
        try:
            loading = filled(tmp_path, f"{url.rpartition('/')[0]}/{name}")
            loading.server.prepare()
            filler = mount / "filler"
            filler.write_bytes(bytes(shutil.disk_usage(mount).free - 4_000_000))
            with pytest.raises(ServingError, match="No space left on device"):
                loading.publish()
            assert loading.told()[0][0] == 0
            filler.unlink()
            loading.publish()
            assert loading.is_right()
        finally:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
                connection.execute(f"DROP TABLESPACE {name}")


@contextmanager
def small_disk(url: str) -> Iterator[tuple[str, Path]]:
    """A disk of 128 MB where the server's own process sees it: its path there, and here."""
    with psycopg.connect(url) as connection:
        (pid, data) = connection.execute("SELECT pg_backend_pid(), current_setting('data_directory')").fetchone()
        owner = Path(f"/proc/{pid}")
        if not owner.exists() or os.geteuid() != 0:
            pytest.skip("the server runs elsewhere, or a disk cannot be mounted for want of rights")
        root, uid = owner.joinpath("root").readlink(), owner.stat().st_uid
    location = f"{Path(data).parent}/small-{os.getpid()}"
    mount = Path(f"{root}{location}".replace("//", "/"))
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size=128m,uid={uid},mode=700", "tmpfs", str(mount)],
        capture_output=True,
        check=False,
    )
    try:
        if made.returncode:
            pytest.skip("a small disk needs root to mount it")
        yield location, mount
    finally:
        subprocess.run(["umount", "--lazy", str(mount)], check=False)
        mount.rmdir()


def _interrupted(
    loading: Loading, interrupt: Callable[[int], None], *, after: float, took: dict[int, float], turn: int
) -> bool:
    """Load, and be interrupted so many seconds after the load began; whether that came in the middle of it."""
    failed: list[ServingError] = []

    def load() -> None:
        begun = time.monotonic()
        try:
            loading.publish()
            took[turn % 3] = time.monotonic() - begun
        except ServingError as error:
            failed.append(error)

    thread = threading.Thread(target=load)
    begun = time.monotonic()
    thread.start()
    while thread.is_alive() and (time.monotonic() - begun < after or loading.backend() is None):
        time.sleep(0.005)
    pid = loading.backend() if thread.is_alive() else None
    if pid is not None:
        interrupt(pid)
    thread.join()
    _until_it_answers(loading)
    return bool(failed)


def _until_it_answers(loading: Loading) -> None:
    for _ in range(600):
        with suppress(psycopg.Error), psycopg.connect(loading.server.url, connect_timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError("the server did not come back within a minute")
