"""Temporary files of the dead go; those of the living, and files that only look like ours, stay."""

import os
import subprocess
import time

import pytest

from resources.leftovers import leftovers
from resources.processes import is_alive

DEAD, MINUTES = 4_000_000, 120.0
OURS = (
    "landing/line/.{pid}-123.part", "catalog.duckdb.{pid}.part", "catalog.duckdb.{pid}.part.wal", ".home.json.{pid}",
    ".dagster.yaml.{pid}", ".{pid}-0.part", "models/.v1-abc.npz.{pid}", "lake/.columns/readings/source=none/day=1970-01-01/.{pid}.part",
)  # fmt: skip
NAMELESS = (
    ".machines.toml.part", "archive/line/ab/abc/.landing.json.part", "archive/line/ab/abc/.original.part",
    "quarantine/line/2026-01-05/abc/.reason.json.part", "archive/line/ab/abc/.original.csv.part",
    "quarantine/line/2026-01-05/abc/.original.parquet.part", "quarantine/line/2026-01-05/abc/.rows.part",
)  # fmt: skip
NOT_OURS = (
    "landing/line/big.csv.part", "landing/line/.big.csv.part", "landing/line/a.tmp", "lake/readings/x.part",
    "landing/line/.export.20260109", "landing/line/.20260109-1200.part", "landing/line/.landing.json.part",
    "landing/line/.99999999999-7.part", "archive/line/ab/abc/.rows.part", ".mine.4000000", "machines.toml", "catalog.duckdb", ".catalog.lock",
)  # fmt: skip


def write(root, name: str, *, quiet_s: float):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("half")
    os.utime(path, (time.time() - quiet_s,) * 2)
    return path


def found(root) -> list:
    return leftovers(root, now=time.time())


@pytest.mark.parametrize("name", OURS)
def test_a_file_of_a_dead_process_is_a_leftover_after_a_quiet_minute(tmp_path, name):
    path = write(tmp_path, name.format(pid=DEAD), quiet_s=MINUTES)
    assert found(tmp_path) == [path]
    write(tmp_path, name.format(pid=DEAD), quiet_s=1.0)
    assert found(tmp_path) == []


@pytest.mark.parametrize("name", OURS)
def test_a_file_of_a_living_process_is_one_after_an_hour_alone(tmp_path, name):
    path = write(tmp_path, name.format(pid=os.getpid()), quiet_s=MINUTES)
    assert found(tmp_path) == []
    write(tmp_path, name.format(pid=os.getpid()), quiet_s=3700.0)  # the number is used again
    assert found(tmp_path) == [path]


@pytest.mark.parametrize("name", NAMELESS)
def test_a_file_that_names_no_process_is_one_after_an_hour(tmp_path, name):
    path = write(tmp_path, name, quiet_s=MINUTES)
    assert found(tmp_path) == []
    write(tmp_path, name, quiet_s=3700.0)
    assert found(tmp_path) == [path]


@pytest.mark.parametrize("name", NOT_OURS)
def test_what_our_code_does_not_name_so_is_never_one(tmp_path, name):
    write(tmp_path, name, quiet_s=1e7)
    assert found(tmp_path) == []


def test_a_process_that_ended_is_dead_and_so_is_one_whose_number_went_to_a_younger():
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert is_alive(child.pid)
        assert is_alive(child.pid, since=time.time())
        assert not is_alive(child.pid, since=time.time() - 3600)
        child.kill()
        time.sleep(0.2)
        assert not is_alive(child.pid)  # a zombie
    finally:
        child.kill()
        child.wait()
    assert not is_alive(child.pid)
    assert is_alive(1)  # somebody else's
