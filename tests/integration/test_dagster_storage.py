"""Where Dagster keeps its history: the home's file decides, the environment holds the address, nothing falls back."""

import os

import dagster as dg
import pytest
import yaml

from jobs.failures import CommandError
from jobs.lock import hold
from jobs.runs import opened
from resources.dagster_storage import StorageError
from resources.home import Home, render_dagster_yaml

VARIABLE = "SMARTMAINT_DAGSTER_STORAGE"
ADDRESS = "postgresql+psycopg2://u:secret@h/d?sslmode=require"
STORAGES = ("run_storage", "event_log_storage", "schedule_storage")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A home on PostgreSQL that nothing has opened yet."""
    root = tmp_path / "home"
    root.mkdir()
    (root / "settings.toml").write_text('[dagster]\nstorage = "postgres"\n')
    monkeypatch.setenv(VARIABLE, ADDRESS)
    return root


def test_all_three_storages_take_the_address_from_the_environment_and_no_file_holds_it(root):
    Home(root).prepare()
    told = yaml.safe_load((root / "dagster.yaml").read_text())
    assert [told[name]["config"] for name in STORAGES] == [{"postgres_url": {"env": VARIABLE}}] * 3
    assert not [path for path in root.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_without_the_word_the_history_is_in_files_whatever_the_environment_holds(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, ADDRESS)
    Home(tmp_path / "home").prepare()
    assert "postgres" not in (tmp_path / "home" / "dagster.yaml").read_text()


@pytest.mark.parametrize(
    ("address", "told"),
    [
        (None, rf'settings.toml says storage = "postgres", but the environment variable {VARIABLE} is not set; set it'),
        ("", "is not set"),
        ("postgresql://u:secret@h/d", r"begins with postgresql, .*begin it with postgresql\+psycopg2://"),
        ("postgres://u:secret@h/d", r"begin it with postgresql\+psycopg2://"),
        ("postgresql+psycopg://u:secret@h/d", r"begin it with postgresql\+psycopg2://"),
        ("host=h password=secret", "begins with no scheme"),
    ],
)
def test_an_address_that_is_missing_or_would_pick_another_driver_is_refused_and_nothing_is_rendered(
    root, address, told, monkeypatch
):
    if address is None:
        monkeypatch.delenv(VARIABLE)
    else:
        monkeypatch.setenv(VARIABLE, address)
    with pytest.raises(StorageError, match=told) as refused:
        Home(root).prepare()
    assert "secret" not in str(refused.value)
    assert not (root / "dagster.yaml").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('storage = "mysql"', "dagster.storage is 'mysql'; expected one of sqlite, postgres"),
        ('storge = "postgres"', "dagster.storge is not known; expected storage"),
    ],
)
def test_a_mistake_in_the_section_is_told_with_its_place(root, text, told):
    (root / "settings.toml").write_text(f"[dagster]\n{text}\n")
    with pytest.raises(StorageError, match=rf"settings.toml: {told}"):
        render_dagster_yaml(root)


def test_a_server_that_does_not_answer_is_told_in_one_line_without_the_address(root, monkeypatch):
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg2://u:secret@127.0.0.1:1/d")
    with pytest.raises(StorageError, match=rf"^Dagster's storage: .*refused.*{VARIABLE}") as refused, opened(root):
        pass
    assert "secret" not in str(refused.value)


def test_the_storage_is_not_switched_under_a_running_up(tmp_path, monkeypatch):
    root = tmp_path / "home"
    with opened(root) as runner:
        runner.run("plan")
    (root / "settings.toml").write_text('[dagster]\nstorage = "postgres"\n')
    monkeypatch.setenv(VARIABLE, ADDRESS)
    before = (root / "dagster.yaml").read_bytes()
    with os.fdopen(hold(root)), pytest.raises(CommandError, match="another storage than smartmaint up works with"):
        opened(root).__enter__()
    assert (root / "dagster.yaml").read_bytes() == before


def test_back_in_files_the_old_history_is_there_again(root):
    (root / "settings.toml").unlink()
    Home(root).prepare()
    with dg.DagsterInstance.from_config(str(root)) as instance:
        instance.add_dynamic_partitions("sources", ["line"])
    (root / "settings.toml").write_text('[dagster]\nstorage = "postgres"\n')
    Home(root).prepare()
    (root / "settings.toml").write_text('[dagster]\nstorage = "sqlite"\n')
    Home(root).prepare()
    with dg.DagsterInstance.from_config(str(root)) as instance:
        assert instance.get_dynamic_partitions("sources") == ["line"]
