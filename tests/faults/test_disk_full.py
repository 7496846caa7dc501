"""A disk that is full: said in one line with the place and the free bytes, nothing lost, and healed by room."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from faults.story import DAY, HOT, REGISTER, SLOW, Twins, copied, expected, most, put, recovered
from faults.warm import Act, Fault, Warm

from resources.home import Home

MB = 1 << 20
SIZE = 64 * MB
PLACES = {"inbox": "landing", "lake": "lake", "Dagster's storage": "dagster", "home": "."}
ROOMS_KB = (0, 16, 200)
"""Room that is left; with none the first write fails, with more a later one."""


@contextmanager
def small_disk(place: Path) -> Iterator[None]:
    """A disk of its own at a folder; skips the test where that needs rights we have not."""
    place.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"a small disk needs root to mount it: {made.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Makes a home of which one folder, by its name, is a small disk."""
    with ExitStack() as held:

        def make(folder: str) -> Path:
            home = Home(tmp_path / "home")
            if folder == ".":
                held.enter_context(small_disk(home.root))
            home.prepare()
            home.machines.write_text(REGISTER)
            if folder != ".":
                (home.root / folder).mkdir(exist_ok=True)
                shutil.copytree(home.root / folder, tmp_path / "before")
                held.enter_context(small_disk(home.root / folder))
                shutil.copytree(tmp_path / "before", home.root / folder, dirs_exist_ok=True)
            return home.root

        yield make


def fill(place: Path, *, room: int) -> Path:
    """Fill the disk below a folder until so many bytes are free; the file that does it."""
    filler = place / ".filler"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, os.statvfs(place).f_bavail * os.statvfs(place).f_frsize - room))
    return filler


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [name if name == "lake" else pytest.param(name, marks=SLOW) for name in PLACES])
def test_a_full_disk_is_named_and_room_heals(name, before, disk, warm: Warm, twins: Twins, ledger):
    home = disk(PLACES[name])
    words = ("import", "readings", str(before / "hot.parquet"), "--source", "line")
    failed = 0
    for room_kb in ROOMS_KB:
        filler = fill(home / PLACES[name], room=room_kb << 10)
        for command in (words, ("run", "--day", DAY)):
            done = warm.smartmaint(home, *command)
            if done.status:
                failed += 1
                told = " ".join(done.output.split())
                assert "nothing has arrived" in told or ("is full" in told and "bytes are free" in told), done.output
                assert "Traceback" not in done.output
        filler.unlink()
    assert failed, "no write met the full disk"
    told = put(before / "hot.parquet", readings=expected(HOT))
    findings = recovered(warm, twins, home, told, again=words)
    ledger.note(f"disk full: {name}", findings, tries=failed)
    assert findings.breaches == ()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("act", [Act.NO_SPACE, Act.IO_ERROR])
def test_a_write_that_is_refused_at_any_point_is_healed_by_the_next_run(act, before, warm, twins, ledger, tmp_path):
    for at in range(2, 10_000, max(1, 300 // most(5))):
        home = copied(before / "imported", tmp_path / f"home-{at}")
        failed = warm.smartmaint(home, "run", "--day", DAY, fault=Fault(home, home / "dagster", at, act))
        if not failed.fired:
            break
        assert not failed.hangs
        assert act == Act.IO_ERROR or failed.status == 0 or "is full" in failed.output, failed.output
        findings = recovered(warm, twins, home, put(before / "hot.parquet", readings=expected(HOT)))
        told = "no space left" if act == Act.NO_SPACE else "I/O error"
        ledger.note(f"{told} at the n-th write, rename or fsync of inbox and lake", findings)
        assert findings.breaches == (), f"{act.name} at {at}, {failed.what} of {failed.path}"
