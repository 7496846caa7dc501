"""Every arrow of docs/adr/0001 holds in this code base, and each rule in `architecture.py` sees its breach."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from architecture import (
    FOLDERS,
    RULES,
    assets_hold_no_sql,
    folders_import_only_from_their_left,
    modules,
    modules_have_a_subject,
    nothing_that_scores_sees_the_labels,
    only_the_settings_read_the_environment,
    pipelines_know_no_outside,
    pipelines_take_time_and_chance_as_arguments,
    stages_meet_only_in_shared_modules,
)

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = ("sklearn", "prophet", "ortools", "mlflow", "lancedb", "scipy.signal", "pandera", "matplotlib")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_this_code_keeps(rule):
    breaches = rule(REPOSITORY)
    assert not breaches, "\n" + "\n".join(map(str, breaches))


@pytest.mark.parametrize(
    ("rule", "path", "code", "told"),
    [
        (folders_import_only_from_their_left, "pipelines/a.py", "import resources.lake", "pipelines imports resources"),
        (folders_import_only_from_their_left, "resources/a.py", "def f():\n    from assets import x", "a.py:2: arrow"),
        (folders_import_only_from_their_left, "assets/a.py", "from jobs.batch import x", "imports jobs.batch"),
        (folders_import_only_from_their_left, "sensors/a.py", "import jobs", "sensors imports jobs"),
        (folders_import_only_from_their_left, "assets/b/a.py", "import_module('sensors.landing')", "imports sensors"),
        (
            stages_meet_only_in_shared_modules,
            "pipelines/health/a.py",
            "import pipelines.features.x",
            "imports pipelines.f",
        ),
        (
            stages_meet_only_in_shared_modules,
            "pipelines/health/a.py",
            "from ..features import x",
            "pipelines.features.x",
        ),
        (stages_meet_only_in_shared_modules, "pipelines/health/a.py", "from pipelines import flow", "pipelines.flow"),
        (stages_meet_only_in_shared_modules, "pipelines/health/a.py", "import pipelines", "imports pipelines"),
        (
            stages_meet_only_in_shared_modules,
            "pipelines/contracts/a.py",
            "import pipelines.health.x",
            "contracts imports",
        ),
        (stages_meet_only_in_shared_modules, "pipelines/__init__.py", "import pipelines.health", "pipelines imports"),
        (
            stages_meet_only_in_shared_modules,
            "pipelines/windows.py",
            "import pipelines.flow",
            "pipelines.windows imports",
        ),
        (stages_meet_only_in_shared_modules, "pipelines/landing.py", "import pipelines.importers.x", "landing imports"),
        (pipelines_know_no_outside, "pipelines/a.py", "import dagster as dg", "imports dagster"),
        (pipelines_know_no_outside, "pipelines/a.py", "from dagster_postgres.x import y", "imports dagster_postgres"),
        (
            pipelines_know_no_outside,
            "pipelines/a/b.py",
            "def f():\n    import duckdb",
            "b.py:2: pipelines must stay pure",
        ),
        (pipelines_know_no_outside, "pipelines/a.py", "from urllib.request import urlopen", "imports urllib.request"),
        (only_the_settings_read_the_environment, "pipelines/a.py", "import os\nos.environ['A']", "a.py:2: only"),
        (only_the_settings_read_the_environment, "jobs/cli.py", "from os import getenv as g\ng('A')", "os.getenv"),
        (only_the_settings_read_the_environment, "assets/a.py", "import dagster as d\nd.EnvVar('A')", "dagster.EnvVar"),
        (only_the_settings_read_the_environment, "jobs/cli.py", "Option(envvar='A')", "envvar="),
        (pipelines_take_time_and_chance_as_arguments, "pipelines/a.py", "import time\ntime.time()", "clock: time.time"),
        (
            pipelines_take_time_and_chance_as_arguments,
            "pipelines/a.py",
            "import datetime as d\nd.datetime.now(d.UTC)",
            "cl",
        ),
        (
            pipelines_take_time_and_chance_as_arguments,
            "pipelines/a.py",
            "from datetime import date\ndate.today()",
            "clo",
        ),
        (pipelines_take_time_and_chance_as_arguments, "pipelines/a.py", "import random\nrandom.random()", "unseeded"),
        (
            pipelines_take_time_and_chance_as_arguments,
            "pipelines/a.py",
            "from random import shuffle\nshuffle(x)",
            "unse",
        ),
        (pipelines_take_time_and_chance_as_arguments, "pipelines/a.py", "import random\nrandom.Random()", "unseeded"),
        (
            pipelines_take_time_and_chance_as_arguments,
            "pipelines/a.py",
            "import numpy as n\nn.random.normal()",
            "unseed",
        ),
        (
            pipelines_take_time_and_chance_as_arguments,
            "pipelines/a.py",
            "import numpy as n\nn.random.default_rng()",
            "un",
        ),
        (
            pipelines_take_time_and_chance_as_arguments,
            "pipelines/a.py",
            "import numpy as n\nn.random.default_rng(None)",
            "",
        ),
        (pipelines_take_time_and_chance_as_arguments, "pipelines/a.py", "import uuid\nuuid.uuid4()", "uuid.uuid4"),
        (assets_hold_no_sql, "assets/a.py", "x = 'SELECT a\\nFROM b'", "a.py:1: assets must not hold SQL"),
        (assets_hold_no_sql, "assets/a.py", "x = f'delete from {t}'", "SQL"),
        (assets_hold_no_sql, "assets/a.py", "connection.sql(x)", "SQL"),
        (
            nothing_that_scores_sees_the_labels,
            "assets/detection.py",
            "lake.read('labels')",
            "detection.py:1: only the as",
        ),
        (
            nothing_that_scores_sees_the_labels,
            "pipelines/health/a.py",
            "from pipelines.contracts.labels import L",
            "health",
        ),
        (modules_have_a_subject, "resources/utils.py", "", "resources/utils.py:1: a module has one subject"),
        (modules_have_a_subject, "tests/common/a.py", "", "`common` has none"),
    ],
)
def test_a_planted_breach_is_told(rule, path, code, told, tmp_path):
    _plant(tmp_path, path, code)
    breaches = rule(tmp_path)
    assert [told in str(breach) and breach.path == path for breach in breaches] == [True], breaches


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("jobs/a.py", "import pipelines.health.rules, resources.lake, assets, sensors, jobs.batch"),
        (
            "pipelines/health/a.py",
            "from pipelines.contracts import alarms\nfrom . import rules\nimport pipelines.identity",
        ),
        ("pipelines/flow.py", "import pipelines.health.rules, pipelines.features.windows"),
        ("pipelines/importers/a.py", "from pipelines.contracts.labels import LABELS"),
        ("pipelines/a.py", "import datetime\ndatetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)"),
        (
            "pipelines/a.py",
            "import numpy as np\ndef f(seed: int) -> np.random.Generator:\n    return np.random.default_rng(seed)",
        ),
        ("pipelines/a.py", "import random\nrandom.Random(7).random()"),
        ("pipelines/a.py", "import os\nos.path.join('a', 'b')"),
        ("resources/settings.py", "import os\nos.environ.get('A')"),
        ("resources/a.py", "connection.sql('select a from b')"),
        ("assets/a.py", "'''Select what to read from the lake.'''\nkinds = {'duckdb', 'label'}"),
        ("assets/acquisition.py", "lake.append('labels', frame)"),
    ],
)
def test_what_is_allowed_is_not_told(path, code, tmp_path):
    _plant(tmp_path, path, code)
    assert not [breach for rule in RULES for breach in rule(tmp_path)]


def test_pipelines_import_where_there_is_no_dagster():
    names = sorted({".".join(module.parts) for module in modules(REPOSITORY, "pipelines")})
    assert len(names) > 1
    told = _python(
        f"""
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "dagster" or name.startswith("dagster_"):
            raise ImportError(name + " is not to be had here")
sys.meta_path.insert(0, Absent())
try:
    importlib.import_module("dagster")
except ImportError:
    for name in {names}:
        importlib.import_module(name)
    print("[]")
"""
    )
    assert told == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_generic_name_is_ours(folder):
    """Another installed package could be called `resources` or `jobs` as well."""
    find = f"importlib.util.find_spec({folder!r}).submodule_search_locations"
    assert _python(f"import importlib.util, json; print(json.dumps(list({find})))") == [str(REPOSITORY / folder)]


def test_the_folders_of_the_line_are_those_that_are_installed():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["setuptools"]["packages"]["find"]["include"] == [f"{folder}*" for folder in FOLDERS]


def test_the_definitions_load_nothing_heavy():
    loaded = _python("import json, sys, jobs.definitions; print(json.dumps(list(sys.modules)))")
    assert not sorted(set(HEAVY) & set(loaded))


def _plant(root: Path, path: str, code: str) -> None:
    (root / path).parent.mkdir(parents=True)
    (root / path).write_text(code, encoding="utf-8")


def _python(code: str) -> list[str]:
    """Run `code` in a fresh process that sees only what is installed; what it prints last is a list in JSON."""
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return list(json.loads(run.stdout.splitlines()[-1]))
