"""How long things are kept: what `settings.toml` says, the defaults without it, and one clear error for a mistake."""

from datetime import timedelta

import pytest

from resources.care import Care, CareFile
from resources.settings_file import SettingsFileError


def test_without_a_file_the_defaults_hold_and_nothing_that_arrived_is_removed(tmp_path):
    care = CareFile(path=str(tmp_path / "settings.toml")).load()
    assert care == Care()
    assert (care.archive_days, care.quarantine_days) == (None, None)
    assert (care.vacuum_grace, care.run_days) == (timedelta(days=7), 30.0)


def test_what_is_set_holds_from_the_next_use_on(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_text("[care]\narchive_days = 365\nvacuum_grace_days = 0.5\n")
    file = CareFile(path=str(path))
    assert file.load() == Care(archive_days=365.0, vacuum_grace_days=0.5)
    path.write_text("")
    assert file.load() == Care()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[care", "settings.toml: .*; mend it, or delete it to get the defaults"),
        ("[keep]\n", r"keep is not known; expected the sections \[care\], \[dagster\], \[serving\]"),
        ("care = 7", r"care is 7; expected a section \[care\]"),
        ("[care]\narchive = 7", "care.archive is not known; known are vacuum_grace_days, archive_days"),
        ("[care]\narchive_days = 0", "care.archive_days is 0; expected days, at least 0.042 .an hour."),
        ("[care]\nrun_days = -1", "care.run_days is -1"),
        ("[care]\nrun_days = true", "care.run_days is True"),
        ('[care]\nrun_days = "30"', "care.run_days is '30'"),
        ("[care]\nrun_days = nan", "care.run_days is nan"),
        ("[care]\nrun_days = inf", "care.run_days is inf"),
        ("[care]\nvacuum_grace_days = 0.01", "care.vacuum_grace_days is 0.01; expected days, at least"),
    ],
)
def test_a_mistake_is_refused_with_its_place(tmp_path, text, told):
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(SettingsFileError, match=told):
        CareFile(path=str(path)).load()


def test_a_file_of_other_bytes_than_text_is_refused(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsFileError, match=r"settings\.toml"):
        CareFile(path=str(path)).load()
