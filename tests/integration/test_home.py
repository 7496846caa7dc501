"""The home: made ready once, the same afterwards, and refused where it could not work."""

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml
from deltalake import DeltaTable
from unit import tables

from pipelines.contracts.enforce import empty
from pipelines.contracts.registry import CONTRACTS
from pipelines.contracts.vocabulary import TABLES
from pipelines.register import parse_register
from resources import home as module
from resources.home import FORMAT, Home, HomeError, render_dagster_yaml
from resources.lake import Lake


def contents(root: Path) -> dict[str, tuple[bytes, int]]:
    """Bytes and time of writing of every file below a folder."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


def test_a_prepared_home_holds_every_table_and_what_people_edit(tmp_path):
    home = Home(tmp_path / "deep" / "home")
    home.prepare()
    assert sorted(path.name for path in home.root.iterdir()) == [
        "crew.toml", "dagster.yaml", "home.json", "lake", "landing", "machines.toml", "models", "tables.json",
    ]  # fmt: skip
    lake = Lake(root=str(home.lake))
    assert {table: lake.columns(table).columns for table in TABLES} == {
        table: list(CONTRACTS[table].columns) for table in TABLES
    }
    assert parse_register(home.machines.read_text()).machines == {}


def test_preparing_again_changes_nothing(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    home.machines.write_text("# mine\n")
    before = contents(home.root)
    home.prepare()
    assert contents(home.root) == before


def test_a_table_of_a_newer_contract_is_made_in_an_old_home(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    shutil.rmtree(home.lake / "work_orders")
    (home.root / "tables.json").write_text(json.dumps([name for name in TABLES if name != "work_orders"]) + "\n")
    others = contents(home.lake)
    home.prepare()
    assert Lake(root=str(home.lake)).count("work_orders") == 0
    assert contents(home.lake).items() >= others.items()


def of_an_older_version(home: Home, table: str) -> pl.DataFrame:
    """The table as a version that knew one column less left it, with a row."""
    home.prepare()
    lake, columns = Lake(root=str(home.lake)), list(CONTRACTS[table].columns)
    old = tables.table(table).select(columns[:-2] + columns[-1:])
    lake.make_anew(table, old)
    lake.fill(table, old)
    (home.root / "tables.json").write_text("older\n")
    return old


def test_a_table_that_is_computed_is_made_anew_where_a_version_gave_it_other_columns(tmp_path):
    home = Home(tmp_path / "home")
    of_an_older_version(home, "window_features")
    before = contents(home.lake / "readings")
    home.prepare()
    lake = Lake(root=str(home.lake))
    assert lake.read("window_features").equals(empty(CONTRACTS["window_features"]))
    assert contents(home.lake / "readings") == before


@pytest.mark.parametrize("table", ["readings", "forecasts"])
def test_a_table_that_nothing_computes_again_is_left_alone_and_told_where_its_columns_are_others(tmp_path, table):
    home = Home(tmp_path / "home")
    old = of_an_older_version(home, table)
    with pytest.raises(HomeError, match=f"table {table} has columns of another version"):
        home.prepare()
    assert Lake(root=str(home.lake)).read(table).equals(old)


def test_a_home_that_several_make_at_once_is_made_once(tmp_path):
    home = Home(tmp_path / "home")
    with ThreadPoolExecutor(4) as pool:
        for making in [pool.submit(home.prepare) for _ in range(4)]:
            making.result()
    lake = Lake(root=str(home.lake))
    assert {table: lake.version(table) for table in TABLES} == dict.fromkeys(TABLES, 0)


def test_a_home_whose_making_was_cut_short_is_completed(tmp_path):
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.lake.mkdir()
    (home.root / f".home.json.{os.getpid() + 1}").write_text("{")  # killed between writing and renaming
    home.prepare()
    (home.root / "tables.json").unlink()  # killed before the last table was noted
    shutil.rmtree(home.lake / "decisions")
    home.prepare()
    assert all(DeltaTable.is_deltatable(str(home.lake / table)) for table in TABLES)


# --- dagster.yaml

PLACES = ["plain", "it's", 'say "hi"', "my plant", "$home", "100 $", "Öl-Anlage", "werk 🏭", "a: {b} #c", "~x & y"]


@pytest.mark.parametrize("place", PLACES)
def test_every_folder_in_dagster_yaml_is_absolute_and_below_the_home(tmp_path, place):
    root = tmp_path / place
    told = yaml.safe_load(render_dagster_yaml(root))
    for storage in ("run_storage", "event_log_storage", "schedule_storage"):
        assert Path(told[storage]["config"]["base_dir"]).is_relative_to(root / "dagster")
    assert told["local_artifact_storage"]["config"]["base_dir"] == str(root / "dagster")
    assert told["compute_logs"]["config"]["base_dir"] == str(root / "dagster" / "logs")
    assert "$home" not in render_dagster_yaml(tmp_path / "plain")


@pytest.mark.parametrize("place", ["plain", 'it\'s $5 "a" 🏭'])
def test_dagster_opens_its_instance_in_the_home_whatever_the_working_directory(tmp_path, place, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    home = Home(tmp_path / place)
    home.prepare()
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        instance.add_dynamic_partitions("sources", ["line-1"])
    with dg.DagsterInstance.from_config(str(home.root)) as instance:
        assert instance.get_dynamic_partitions("sources") == ["line-1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([place, "elsewhere"])
    assert not list((tmp_path / "elsewhere").iterdir())


def test_warm_workers_are_kept_until_another_number_is_said(tmp_path):
    home, launchers = Home(tmp_path / "home"), []
    for said in (None, 2, None, 0):
        home.prepare(warm_workers=said)
        with dg.DagsterInstance.from_config(str(home.root)) as instance:
            queue = instance.get_concurrency_config().run_queue_config
            launchers.append((type(instance.run_launcher).__name__, queue.tag_concurrency_limits[1]["limit"]))
    default, warm = ("DefaultRunLauncher", 4), ("WarmRunLauncher", 2)
    assert launchers == [default, warm, warm, default]


def test_a_home_that_was_moved_names_its_new_place(tmp_path):
    Home(tmp_path / "old").prepare()
    (tmp_path / "old").rename(tmp_path / "new")
    Home(tmp_path / "new").prepare()
    assert str(tmp_path / "old") not in (tmp_path / "new" / "dagster.yaml").read_text()


# --- refusals


def test_a_home_of_another_format_is_refused_with_what_to_do_and_left_as_it_is(tmp_path):
    home = Home(tmp_path / "home")
    home.prepare()
    (home.root / "home.json").write_text(json.dumps({"format": FORMAT + 1}))
    before = contents(home.root)
    with pytest.raises(HomeError, match=f"has format {FORMAT + 1}, this version keeps {FORMAT}: use the version"):
        home.prepare()
    assert contents(home.root) == before


@pytest.mark.parametrize("mark", ["", "{", "[]", "{}", "null", "7"])
def test_a_broken_mark_is_refused_naming_the_file(tmp_path, mark):
    home = Home(tmp_path / "home")
    home.prepare()
    (home.root / "home.json").write_text(mark)
    with pytest.raises(HomeError, match=r"home\.json is not readable; expected"):
        home.prepare()


def test_somebody_elses_folder_is_refused_and_its_files_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(HomeError, match=r"is not empty and no home: it holds \['thesis.tex'\]; choose another"):
        Home(tmp_path).prepare()
    assert (tmp_path / "thesis.tex").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["lost+found", ".DS_Store"])
def test_what_a_system_puts_into_every_folder_makes_it_nobodys(tmp_path, name):
    (tmp_path / name).mkdir()
    Home(tmp_path).prepare()
    assert (tmp_path / "home.json").exists()


@pytest.mark.parametrize("below", ["file", "file/home"])
def test_a_place_where_a_file_stands_is_refused_with_the_reason(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match=r"home .*: (File exists|Not a directory); choose another with --home"):
        Home(tmp_path / below).prepare()


def test_a_place_that_may_not_be_written_is_refused_with_the_reason():
    read_only = Path("/proc/home") if os.geteuid() == 0 else Path("/home-of-smartmaint")
    if read_only.parent == Path("/proc") and not Path("/proc/self").exists():
        pytest.skip("root may write everywhere here")
    with pytest.raises(HomeError, match=r"home /.*; choose another with --home"):
        Home(read_only).prepare()


@pytest.mark.parametrize("letter", [*"%=?*^|[]\\", "\n", "\t", "\x7f", "\udcff"])
def test_a_path_in_which_no_table_can_lie_is_refused_before_anything_is_made(tmp_path, letter):
    with pytest.raises(HomeError, match="choose another with --home"):
        Home(tmp_path / f"a{letter}b").prepare()
    assert not list(tmp_path.iterdir())


def test_the_templates_people_start_from_can_be_read():
    from pipelines.advisory.crew import parse_crew

    uncommented = "\n".join(
        line.removeprefix("# ") for line in module.MACHINES_TEMPLATE.splitlines()[1:] if line.startswith("# ")
    )
    assert list(parse_register(uncommented).machines) == ["line-1.pump-1"]
    assert [person.technician for person in parse_crew(module.CREW_TEMPLATE)] == ["anna", "ben", "carla"]
