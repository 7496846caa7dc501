"""`smartmaint serving` and `sql --server` where there is no server: one clear sentence each."""

import subprocess
import sys
from pathlib import Path

import pytest

from resources.home import Home


def smartmaint(*words: str) -> tuple[int, str]:
    ran = subprocess.run([sys.executable, "-m", "jobs", *words], capture_output=True, text=True, check=False)
    return ran.returncode, " ".join((ran.stdout + ran.stderr).split())


@pytest.mark.parametrize("words", [("serving", "status"), ("serving", "prepare"), ("sql", "--server", "SELECT 1")])
def test_without_a_server_it_is_said_how_to_name_one(tmp_path: Path, words):
    root = tmp_path / "home"
    code, told = smartmaint(*words, "--home", str(root))
    assert code == 1
    assert "is no home yet: `smartmaint prepare` makes it one" in told
    Home(root).prepare()
    code, told = smartmaint(*words, "--home", str(root))
    assert code == 1
    assert "no server is set: name it in SMARTMAINT_SERVING_URL" in told


def test_a_server_that_is_away_is_told_without_its_password(tmp_path: Path):
    home = Home(tmp_path / "home")
    home.prepare()
    home.settings.write_text('[serving]\nurl = "postgresql://anna:secret@127.0.0.1:1/plant"\n')
    code, told = smartmaint("serving", "status", "--home", str(home.root))
    assert code == 1
    assert "127.0.0.1:1/plant: connection failed" in told
    assert "secret" not in told
