"""Which files of a folder belong to a data set: what is packed and read, what an error says was expected."""

import re
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Layout:
    """The files of one data set.

    Attributes:
        files: Matches somewhere in the path of such a file, with forward slashes.
        expected: The same for people.
        zips: Its files may come in a zip.
        parents: Folders above a file that say what it is, beside its name; None where its content says all.
    """

    files: re.Pattern[str]
    expected: str
    zips: bool = True
    parents: int | None = None

    def holds(self, path: str) -> bool:
        """Whether a path belongs to the data set.

        Example:
            >>> PATTERNS["xjtu-sy"].holds("35Hz12kN/Bearing1_1/1.csv"), PATTERNS["xjtu-sy"].holds("README.md")
            (True, False)
        """
        return self.files.search(path) is not None or (self.zips and path.lower().endswith(".zip"))


def _layout(pattern: str, expected: str, *, parents: int | None = None) -> Layout:
    return Layout(re.compile(pattern, re.ASCII), expected, parents=parents)


PATTERNS: MappingProxyType[str, Layout] = MappingProxyType(
    {
        "ai4i": _layout(r"\.csv$", "ai4i2020.csv"),
        "cmapss": _layout(
            r"(^|/)(train|test|RUL)_FD00[1-4]\.txt$", "train_FD001.txt, test_FD001.txt, RUL_FD001.txt", parents=0
        ),
        "skab": _layout(r"\.csv$", "data/valve1/0.csv", parents=1),
        "azure-pdm": _layout(
            r"(^|/)PdM_(telemetry|errors|failures|machines|maint)\.csv$", "PdM_telemetry.csv, PdM_errors.csv"
        ),
        "kaggle-pump": _layout(r"\.csv$", "sensor.csv"),
        "nasa-ims": _layout(
            r"(^|/)(?P<stamp>\d{4}(\.\d{2}){5})$",
            "2nd_test/2004.02.12.10.32.39 (the name is the time of the snapshot)",
            parents=2,
        ),
        "xjtu-sy": _layout(
            r"(^|/)((?P<condition>[\d.]+Hz\d+kN)/)?Bearing(?P<bearing>[1-3]_[1-5])/(?P<number>\d{1,6})\.csv$",
            "35Hz12kN/Bearing1_1/1.csv",
            parents=2,
        ),
        "femto": _layout(
            r"(^|/)Bearing(?P<bearing>[1-3]_[1-7])/(?P<kind>acc|temp)_(?P<number>\d{1,6})\.csv$",
            "Bearing1_1/acc_00001.csv, Bearing1_1/temp_00001.csv",
            parents=1,
        ),
        "cwru": _layout(r"\.mat$", "12k_DE/IR007_0.mat or 105.mat", parents=2),
        "mimii": _layout(
            r"\.wav$",
            "6_dB_fan/fan/id_00/normal/00000000.wav, fan/train/normal_id_00_00000000.wav or "
            "fan/test/section_00_source_test_normal_0002.wav",
            parents=4,
        ),
    }
)
