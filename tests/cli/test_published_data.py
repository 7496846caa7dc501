"""Every published data set at hand lands whole, as its page counts it, and once."""

import pytest
from cli.test_import_and_run import smartmaint

pytestmark = pytest.mark.slow
COUNTS = {  # format: folder, rows, values, labels, events, snapshots
    "ai4i": ("ai4i", 10_000, 60_000, 712, 0, 0),
    "azure-pdm": ("azure_pdm", 3_919 + 761 + 3_286 + 100, 0, 0, 8_066, 0),
    "cmapss": ("cmapss", 20_631 + 13_096 + 100, 24 * (20_631 + 13_096), 300, 0, 0),
    "cwru": ("cwru", 3, 0, 3, 0, 8),
    "femto": ("femto_pronostia/Learning_set", 871 + 515 + 160, 0, 0, 0, 2 * (871 + 515 + 160)),
    "kaggle-pump": ("kaggle_pump/sensor.csv", 5_760, 293_730, 1, 0, 0),
    "mimii": ("mimii", 16, 0, 15, 0, 15 + 8),
    "nasa-ims": ("nasa_ims", 3, 0, 0, 0, 8 + 4 + 4),
    "skab": ("skab", 34_350, 8 * 34_350, 105, 0, 0),
}


@pytest.mark.parametrize("dataset", COUNTS)
def test_it_lands_whole_and_once(dataset, data_dir, tmp_path):
    folder, rows, values, labels, events, snapshots = COUNTS[dataset]
    place = data_dir(folder.partition("/")[0]).parent / folder
    receipt = smartmaint(tmp_path / "home", "import", dataset, str(place))
    assert (receipt["rows_read"], receipt["rows_landed"], receipt["rows_quarantined"]) == (rows, rows, 0)
    told = tuple(receipt[name] for name in ("values_landed", "labels_landed", "events_landed", "snapshots_landed"))
    assert told == (values, labels, events, snapshots)
    again = smartmaint(tmp_path / "home", "import", dataset, str(place))
    assert (again["rows_landed"], again["rows_duplicate"], again["values_landed"]) == (0, rows, 0)
