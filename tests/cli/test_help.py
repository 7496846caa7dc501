"""What `--help` says is what was written: brackets are no markup."""

import pytest
from typer.testing import CliRunner

from jobs.cli import app


@pytest.mark.parametrize(
    ("words", "default"),
    [
        (("doctor",), "data/home"),
        (("up",), "as last time, at first 0"),
        (("import",), "DATASET"),
        (("run",), "every source"),
        (("bench",), "300"),
        (("bench",), "1000"),
        (("quarantine", "list"), "every source"),
    ],
)
def test_a_default_that_only_the_text_knows_is_shown(words, default, monkeypatch):
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 400)
    told = CliRunner().invoke(app, [*words, "--help"]).stdout
    assert f"[default: {default}]" in " ".join(told.split())
