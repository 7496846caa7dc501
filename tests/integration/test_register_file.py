"""The register file: a person's text, to which we add at the end and nowhere else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.register import RegisterError, Source
from resources.home import MACHINES_TEMPLATE, Home
from resources.register import RegisterFile

HEALTHY = (datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, 6, 30, tzinfo=UTC))
MINE = """\
# Our plant. Ask Petra, room 12 — before you touch this.
[sources.plant]   # the old line
importer = "readings"

[[machines]]
id = "plant.pump-1"
criticality = "high" # spare part takes 9 weeks
"""


@pytest.fixture
def files(tmp_path) -> RegisterFile:
    home = Home(tmp_path)
    home.machines.write_text(MINE, encoding="utf-8")
    home.crew.write_text("# crew\n", encoding="utf-8")
    return RegisterFile(machines=str(home.machines), crew=str(home.crew))


def text(files: RegisterFile) -> str:
    return Path(files.machines).read_text(encoding="utf-8")


def test_a_new_source_is_added_behind_what_people_wrote(files):
    files.declare_source(Source("line-1", "kaggle_pump", window="1h", healthy=HEALTHY))
    assert text(files) == MINE + (
        '\n[sources.line-1]\nimporter = "kaggle_pump"\nwindow = "1h"\n'
        "healthy = [2026-01-05T00:00:00Z, 2026-01-12T06:30:00Z]\n"
    )
    register = files.load()
    assert register.source("line-1") == Source("line-1", "kaggle_pump", "1h", HEALTHY)
    assert register.machines["plant.pump-1"].criticality == "high"


def test_a_source_is_added_once(files):
    for _ in range(2):
        files.declare_source(Source("line-1", "readings"))
    assert text(files).count("[sources.line-1]") == 1


def test_a_source_that_people_declared_stays_as_they_wrote_it(files):
    files.declare_source(Source("plant", "readings", window="1h", healthy=HEALTHY))
    assert text(files) == MINE


def test_a_source_of_another_importer_is_refused_with_what_to_do(files):
    with pytest.raises(RegisterError) as refused:
        files.declare_source(Source("plant", "kaggle_pump"))
    assert str(refused.value) == (
        f"{files.machines}: source 'plant' is declared with importer 'readings', not 'kaggle_pump'; "
        "give the new data a name of its own with --source"
    )
    assert text(files) == MINE


def test_a_source_can_be_added_to_the_template(files):
    Path(files.machines).write_text(MACHINES_TEMPLATE)
    files.declare_source(Source("line-1"))
    assert text(files).startswith(MACHINES_TEMPLATE)
    assert list(files.load().sources) == ["line-1"]


def test_whole_entries_are_added_once(files):
    entry = '[[machines]]\nid = "plant.fan-2"\n'
    for _ in range(2):
        files.declare(entry)
    assert text(files) == f"{MINE}\n{entry}"
    assert sorted(files.load().machines) == ["plant.fan-2", "plant.pump-1"]


def test_of_many_that_declare_at_once_every_source_stands_there(files):
    names = [f"line-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: files.declare_source(Source(name)), names))
    assert set(files.load().sources) >= set(names)


def test_what_could_not_be_read_again_is_not_written_and_the_error_names_the_file(files):
    Path(files.machines).write_text('sources = { plant = { importer = "readings" } }\n')
    with pytest.raises(RegisterError, match=r"machines\.toml: an entry could not be added: .*\n\[sources.line-1\]"):
        files.declare_source(Source("line-1"))
    assert text(files) == 'sources = { plant = { importer = "readings" } }\n'
    assert sorted(path.name for path in Path(files.machines).parent.iterdir()) == ["crew.toml", "machines.toml"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[sources", "not readable as TOML"),
        (b"[sources.a]\nimporters = 'x'", "sources.a: unknown importers; known are healthy, importer, table, window"),
        (b"[[machines]]\nid = 'pump'", "machine 1: id is 'pump'; expected text like"),
        (b"# \xff", "can't decode byte 0xff"),
        (b"\xef\xbb\xbf# a byte order mark\n[sources.a]", "not readable as TOML"),
    ],
)
@pytest.mark.parametrize("act", ["load", "declare_source"])
def test_a_broken_file_is_refused_naming_the_path_and_left_as_it_is(files, content, told, act):
    path = Path(files.machines)
    path.write_bytes(content)
    with pytest.raises(RegisterError) as refused:
        files.load() if act == "load" else files.declare_source(Source("line-1"))
    assert str(refused.value).startswith(f"{path}: ")
    assert told in str(refused.value)
    assert path.read_bytes() == content


def test_a_missing_file_is_refused_with_what_to_do(files):
    Path(files.machines).unlink()
    Path(files.crew).unlink()
    with pytest.raises(RegisterError, match=r"machines\.toml: No such file or directory; restore it, or delete it"):
        files.load()
    with pytest.raises(RegisterError, match=r"crew\.toml: No such file or directory"):
        files.crew_text()


def test_the_crew_is_read_as_it_stands(files):
    assert files.crew_text() == "# crew\n"


def test_an_edit_counts_from_the_next_read_on(files):
    before = files.load()
    Path(files.machines).write_text(MINE.replace("high", "low"), encoding="utf-8")
    after = files.load()
    assert after.machines["plant.pump-1"].criticality == "low"
    assert after.version != before.version
