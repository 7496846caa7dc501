"""Every arrow of docs/adr/0001 holds in this code base, and each rule in `architecture.py` sees its breach."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from architecture import FOLDERS, RULES, modules

REPOSITORY = Path(__file__).resolve().parents[1]
HEAVY = (
    "sklearn",
    "prophet",
    "ortools",
    "mlflow",
    "lancedb",
    "scipy",
    "pandera",
    "matplotlib",
    "pandas",
    "skops",
    "psycopg",
)

# Told by the rules: file, line, and one of these.
RIGHT = "arrow to the right:"
STAGE = "arrow between stages:"
PURE = "pipelines must stay pure: imports"
PLACE = "pipelines take paths as arguments:"
CLOCK = "pipelines must not look at the clock:"
CHANCE = "pipelines must not use unseeded chance:"
ENVIRONMENT = "only resources/settings.py may read:"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_this_code_keeps(rule):
    breaches = rule(REPOSITORY)
    assert not breaches, "\n" + "\n".join(map(str, breaches))


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("pipelines/a.py", "import resources.lake", f"1: {RIGHT} pipelines imports resources.lake"),
        ("resources/a.py", "def f():\n    from assets import x", f"2: {RIGHT} resources imports assets.x"),
        ("assets/b/a.py", "import_module('sensors.a')", f"1: {RIGHT} assets imports sensors.a"),
        ("sensors/a.py", "import jobs", f"1: {RIGHT} sensors imports jobs"),
        ("pipelines/__init__.py", "import pipelines.b", f"1: {STAGE} pipelines imports pipelines.b"),
        ("pipelines/health/a.py", "from .. import flow", f"1: {STAGE} pipelines.health imports pipelines.flow"),
        ("pipelines/health/a.py", "import pipelines", f"1: {STAGE} pipelines.health imports pipelines"),
        (
            "pipelines/health/a.py",
            "import pipelines.reporting",
            f"1: {STAGE} pipelines.health imports pipelines.reporting",
        ),
        ("pipelines/landing.py", "from . import b", f"1: {STAGE} pipelines.landing imports pipelines.b"),
        ("pipelines/contracts/a.py", "import pipelines.b", f"1: {STAGE} pipelines.contracts imports pipelines.b"),
        ("pipelines/b/c/a.py", "def f():\n    import duckdb", f"2: {PURE} duckdb"),
        ("pipelines/a.py", "from dagster_postgres.x import y", f"1: {PURE} dagster_postgres.x.y"),
        ("pipelines/a.py", "from http.client import x", f"1: {PURE} http.client.x"),
        ("pipelines/a.py", "import boto3", f"1: {PURE} boto3"),
        ("pipelines/a.py", "from pathlib import Path\nPath.home() / 'x'", f"2: {PLACE} pathlib.Path.home"),
        ("pipelines/a.py", "import tempfile\ntempfile.mkdtemp()", f"2: {PLACE} tempfile.mkdtemp"),
        ("pipelines/a.py", "import time\ntime.time()", f"2: {CLOCK} time.time"),
        ("pipelines/a.py", "import datetime as d\nd.date.today()", f"2: {CLOCK} datetime.date.today"),
        ("pipelines/a.py", "from datetime import datetime as d\nd.now(z)", f"2: {CLOCK} datetime.datetime.now"),
        ("pipelines/a.py", "from random import shuffle\nshuffle(x)", f"2: {CHANCE} random.shuffle"),
        ("pipelines/a.py", "import random\nrandom.Random()", f"2: {CHANCE} random.Random"),
        ("pipelines/a.py", "import numpy as n\nn.random.normal(0)", f"2: {CHANCE} numpy.random.normal"),
        ("pipelines/a.py", "from numpy.random import PCG64 as p\np(None)", f"2: {CHANCE} numpy.random.PCG64"),
        ("pipelines/a.py", "import numpy\nnumpy.random.default_rng()", f"2: {CHANCE} numpy.random.default_rng"),
        ("pipelines/a.py", "import numpy\nnumpy.random.seed()", f"2: {CHANCE} numpy.random.seed"),
        ("pipelines/a.py", "import uuid\nuuid.uuid4()", f"2: {CHANCE} uuid.uuid4"),
        ("pipelines/a.py", "import os\nos.environ['A']", f"2: {ENVIRONMENT} os.environ"),
        ("jobs/cli.py", "from os import getenv as g\ng('A')", f"2: {ENVIRONMENT} os.getenv"),
        ("jobs/cli.py", "typer.Option(envvar='A')", f"1: {ENVIRONMENT} envvar="),
        ("assets/a.py", "import dagster as dg\ndg.EnvVar('A')", f"2: {ENVIRONMENT} dagster.EnvVar"),
        ("assets/a.py", "x = 'SELECT a\\nFROM b'", "1: assets must not hold SQL"),
        ("assets/a.py", "x = f'delete from {t}'", "1: assets must not hold SQL"),
        ("assets/a.py", "connection.sql(x)", "1: assets must not hold SQL"),
        ("assets/a.py", "lake.read('labels')", "1: only what lands or publishes labels may name the table"),
        ("pipelines/health/a.py", "import pipelines.contracts.labels", "1: pipelines.health must not know the labels"),
        ("resources/utils.py", "", "1: a module has one subject; `utils` has none"),
        ("tests/common/a.py", "", "1: a module has one subject; `common` has none"),
    ],
)
def test_a_planted_breach_is_told_with_its_place(path, code, told, tmp_path):
    assert _told(tmp_path, path, code) == [f"{path}:{told}"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("jobs/a.py", "import pipelines.health.rules, resources.lake, assets, sensors, jobs.batch"),
        ("pipelines/health/a.py", "from pipelines.contracts import alarms\nfrom . import b\nimport pipelines.identity"),
        ("pipelines/flow.py", "import pipelines.health.rules, pipelines.features.windows"),
        ("pipelines/reporting/a.py", "import pipelines.flow"),
        ("pipelines/a.py", "import sklearn.svm, tomllib, pandas as pd"),
        ("pipelines/a.py", "from pathlib import Path\ndef f(path: Path):\n    return path.read_text()"),
        ("pipelines/a.py", "from numpy.random import PCG64, Generator\nGenerator(PCG64(7))"),
        ("pipelines/importers/a.py", "from pipelines.contracts.labels import LABELS"),
        ("pipelines/a.py", "import datetime\ndatetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)"),
        ("pipelines/a.py", "import numpy as np\ndef f(s) -> np.random.Generator:\n    return np.random.default_rng(s)"),
        (
            "pipelines/a.py",
            "import numpy as np\nold = np.random.get_state()\nnp.random.seed(7)\nnp.random.set_state(old)",
        ),
        ("pipelines/a.py", "import random\nrandom.Random(7).random()"),
        ("pipelines/a.py", "import os\nos.path.join('a', 'b')"),
        ("resources/settings.py", "import os\nos.environ.get('A')"),
        ("resources/a.py", "connection.sql('select a from b')"),
        ("assets/a.py", '"""Select what to read from the lake."""\nkinds = {"duckdb", "label"}'),
        ("assets/landing.py", "lake.append('labels', frame)"),
    ],
)
def test_what_is_allowed_is_not_told(path, code, tmp_path):
    assert _told(tmp_path, path, code) == []


def test_pipelines_import_where_there_is_no_dagster():
    names = sorted({".".join(module.parts) for module in modules(REPOSITORY, "pipelines")})
    code = f"""
import importlib, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "dagster" or name.startswith("dagster_"):
            raise ImportError(f"{{name}} is not to be had here")

sys.meta_path.insert(0, Absent())
try:
    importlib.import_module("dagster")
except ImportError:
    for name in {names}:
        importlib.import_module(name)
    print(json.dumps([name for name in {names} if name in sys.modules]))
"""
    assert _python(code) == names


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
    assert sorted(set(HEAVY) & set(loaded)) == []


def _told(root: Path, path: str, code: str) -> list[str]:
    """What all rules say about a code base that is this one file."""
    (root / path).parent.mkdir(parents=True)
    (root / path).write_text(code, encoding="utf-8")
    return [str(breach) for rule in RULES for breach in rule(root)]


def _python(code: str) -> list[str]:
    """Run `code` in a fresh process that sees only what is installed; what it prints last is a list in JSON."""
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return list(json.loads(run.stdout.splitlines()[-1]))
