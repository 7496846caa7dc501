"""Which server, and for how long: what `[serving]` says, and one clear error for a mistake."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from resources.serving.rollup import MOST_RANGES, _ranges
from resources.serving.timescale import ServingSettings, TimescaleServing, home_id, serving_settings
from resources.settings_file import SettingsFileError

START = datetime(2026, 1, 5, tzinfo=UTC)


def told(tmp_path, text: str) -> ServingSettings:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return serving_settings(path)


def test_without_a_section_there_is_no_server(tmp_path):
    assert told(tmp_path, "[care]\nrun_days = 3\n") == ServingSettings()
    assert serving_settings(tmp_path / "none.toml") == ServingSettings()


def test_the_environment_goes_before_the_file(tmp_path, monkeypatch):
    text = '[serving]\nurl = "postgresql://a@b/c"\nkeep_days = 30\n'
    assert told(tmp_path, text) == ServingSettings("postgresql://a@b/c", 30)
    monkeypatch.setenv("SMARTMAINT_SERVING_URL", "postgres://x@y/z")
    assert told(tmp_path, text) == ServingSettings("postgres://x@y/z", 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[serving]\nhost = 1", "serving.host is not known; known are url, keep_days"),
        ("[serving]\nurl = 7", "serving.url is no PostgreSQL address"),
        ('[serving]\nurl = "mysql://u:secret@h/d"', "serving.url is no PostgreSQL address; expected postgresql://"),
        ("[serving]\nkeep_days = 0", "keep_days is 0; expected days, at least 1"),
        ("[serving]\nkeep_days = true", "keep_days is True; expected days"),
        ("[serving]\nkeep_days = nan", "keep_days is nan"),
    ],
)
def test_a_mistake_is_refused_with_its_place_and_without_the_address(tmp_path, text, expected):
    with pytest.raises(SettingsFileError, match=expected) as error:
        told(tmp_path, text)
    assert "secret" not in str(error.value)


def test_a_home_keeps_its_id(tmp_path):
    assert home_id(tmp_path) == home_id(tmp_path) != ""


def test_a_place_is_told_without_user_and_password():
    assert TimescaleServing("postgresql://anna:secret@db:5433/plant", "x").place == "db:5433/plant"


@pytest.mark.parametrize("pieces", [1, MOST_RANGES, MOST_RANGES + 1, 3 * MOST_RANGES])
def test_every_hour_lies_in_a_range_that_is_refreshed(pieces):
    hours = [START + timedelta(hours=hour) for hour in range(72)]  # one long piece, and short ones far apart
    hours += [START + timedelta(days=10, hours=5 * piece) for piece in range(pieces - 1)]
    ranges = _ranges(reversed(hours))
    assert all(any(span.since <= hour < span.until for span in ranges) for hour in hours)
    assert all(before.until <= after.since for before, after in pairwise(ranges))
