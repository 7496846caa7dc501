"""Which files belong to a data set: all of those that can be had, and none of what lies beside them."""

import pytest

from pipelines.importers.layouts import PATTERNS


@pytest.mark.parametrize(
    ("importer", "path"),
    [
        ("ai4i", "ai4i2020.csv"),
        ("cmapss", "CMAPSSData/train_FD001.txt"),
        ("cmapss", "RUL_FD004.txt"),
        ("skab", "data/valve1/0.csv"),
        ("azure-pdm", "PdM_errors.csv"),
        ("kaggle-pump", "windows/a.csv"),
        ("nasa-ims", "4th_test/txt/2004.03.04.09.27.46"),
        ("nasa-ims", "2004.02.12.10.32.39"),
        ("xjtu-sy", "37.5Hz11kN/Bearing2_5/161.csv"),
        ("femto", "Full_Test_Set/Bearing1_7/acc_00001.csv"),
        ("femto", "Test_set/Bearing1_3/temp_00012.csv"),
        ("femto", "Learning_set/Bearing1_2.zip"),
        ("cwru", "Data/12k_DE/OR007@6_0.mat"),
        ("mimii", "-6_dB_pump/pump/id_02/abnormal/00000022.wav"),
    ],
)
def test_a_file_of_the_data_set_belongs_to_it(importer, path):
    assert PATTERNS[importer].holds(path)


@pytest.mark.parametrize(
    ("importer", "path"),
    [
        ("cmapss", "readme.txt"),
        ("azure-pdm", "other.csv"),
        ("nasa-ims", "derived/Test2.csv"),
        ("nasa-ims", "Readme Document for IMS Bearing Data.pdf"),
        ("xjtu-sy", "metadata_third_party/metainfo.csv"),
        ("xjtu-sy", "Bearing1_6/1.csv"),
        ("femto", "derived/Bearing1_1_acc_statistics.csv"),
        ("cwru", "README.md"),
        ("mimii", "manifest.csv"),
    ],
)
def test_what_lies_beside_does_not(importer, path):
    assert not PATTERNS[importer].holds(path)


@pytest.mark.parametrize(
    ("name", "folder", "count"),
    [
        ("nasa-ims", "nasa_ims", 3),
        ("femto", "femto_pronostia", 3),
        ("cwru", "cwru", 3),
        ("mimii", "mimii", 16),
        ("xjtu-sy", "xjtu_sy", 0),
        ("cmapss", "cmapss", 3),
        ("azure-pdm", "azure_pdm", 4),
        ("ai4i", "ai4i", 1),
    ],
)
def test_of_the_real_folders_the_data_files_are_chosen(name, folder, count, data_dir):
    root = data_dir(folder)
    files = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    assert sum(map(PATTERNS[name].holds, files)) == count
