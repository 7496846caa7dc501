"""Public data sets from the places their publishers keep them: held against a checksum, whole or not at all."""

import fnmatch
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipelines.failures import StatedError
from resources.keeping import read_json, write_json

SEEN = "checksums.json"


class DownloadError(StatedError):
    """A data set cannot be had from here; the message says where else, or what to do."""


@dataclass(frozen=True)
class Remote:
    """One file at its publisher's.

    Attributes:
        name: Path it gets below the folder of the data set.
        checksum: `sha256:...` or `md5:...`; None where the publisher tells none: then that of the first download holds.
    """

    name: str
    url: str
    checksum: str | None = None


@dataclass(frozen=True)
class Place:
    """Where a data set is.

    Attributes:
        page: Of the publisher, for people.
        terms: Licence as far as it is known, or what the publisher asks for.
        files: To be fetched; empty where a person has to ask for them, or where `doi` lists them.
        doi: Record whose files and checksums the archive itself tells.
        then: What to do with the files before `smartmaint import`.
    """

    page: str
    terms: str
    files: tuple[Remote, ...] = ()
    doi: str | None = None
    then: str = ""


def _raw(repository: str, names: Mapping[str, str | None]) -> tuple[Remote, ...]:
    base = f"https://raw.githubusercontent.com/{repository}"
    return tuple(Remote(name, f"{base}/{name}", f"sha256:{known}" if known else None) for name, known in names.items())


_PHM = "https://phm-datasets.s3.amazonaws.com/NASA/"
_CASE = "https://engineering.case.edu/sites/default/files/"
_NASA = "https://www.nasa.gov/intelligent-systems-division/discovery-and-systems-health/pcoe/pcoe-data-set-repository/"
_KAGGLE = "needs an account"
_CWRU = {
    "97": "16bf48babcf1c7ac224bc1a81cd9eafdb27e42d5cf559761907e067e8eeadf3c",
    "105": "f80b0ea04fd06b372a0eaec7c056543ea37e4bb4727a5b173d2a5bacd2aa9cab",
    "130": "35a095307d0971477049b343a1b5981dde465a58fb7f233ad89b035068c1717d",
}
_SKAB = [f"valve1/{n}" for n in range(16)] + [f"valve2/{n}" for n in range(4)] + [f"other/{n}" for n in range(1, 15)]

PLACES = MappingProxyType(
    {
        "ai4i": Place(
            "https://archive.ics.uci.edu/dataset/601",
            "CC BY 4.0",
            (
                Remote(
                    "ai4i2020.zip",
                    "https://archive.ics.uci.edu/static/public/601/ai4i+2020+predictive+maintenance+dataset.zip",
                ),
            ),
        ),
        "nab": Place(
            "https://github.com/numenta/NAB",
            "MIT",
            _raw(
                "numenta/NAB/master",
                {
                    "data/realKnownCause/machine_temperature_system_failure.csv": (
                        "92bf5b87fc7f9bba8ca0b7ec63ccaac8cb4a1371a258e8c29a10ae9c018d82a4"
                    )
                },
            ),
        ),
        "skab": Place(
            "https://github.com/waico/SKAB",
            "GPL-3.0",
            _raw(
                "waico/SKAB/master",
                {"data/anomaly-free/anomaly-free.csv": None} | {f"data/{name}.csv": None for name in _SKAB},
            ),
        ),
        "cwru": Place(
            "https://engineering.case.edu/bearingdatacenter",
            "none stated",
            tuple(Remote(f"{name}.mat", f"{_CASE}{name}.mat", f"sha256:{known}") for name, known in _CWRU.items()),
        ),
        "cmapss": Place(
            _NASA,
            "work of the US government",
            (Remote("cmapss.zip", f"{_PHM}6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip"),),
            then="unzip it, and the archive inside",
        ),
        "nasa-ims": Place(
            _NASA,
            "none stated",
            (Remote("ims.zip", f"{_PHM}4.+Bearings.zip"),),
            then="unpack it, and the archives inside, one for each test",
        ),
        "femto": Place(
            _NASA,
            "none stated",
            (Remote("femto.zip", f"{_PHM}10.+FEMTO+Bearing.zip"),),
            then="unzip it, and the archive inside",
        ),
        "mimii": Place("https://zenodo.org/records/3384388", "CC BY-SA 4.0", doi="10.5281/zenodo.3384388"),
        "kaggle-pump": Place("https://www.kaggle.com/datasets/nphantawee/pump-sensor-data", _KAGGLE),
        "azure-pdm": Place(
            "https://www.kaggle.com/datasets/arnabbiswas1/microsoft-azure-predictive-maintenance", _KAGGLE
        ),
        "xjtu-sy": Place("https://biaowang.tech/xjtu-sy-bearing-datasets", "free for research, to be asked for"),
    }
)


def fetch(
    place: Place,
    folder: Path,
    *,
    only: str = "*",
    progress: Callable[[str], Any] | None = None,
) -> list[dict[str, Any]]:
    """Fetch the files of a data set that are not there yet.

    A file that has a checksum is held against it; of one that has none the first download's is kept in
    `checksums.json` and holds from then on.

    Args:
        place: Where they are.
        folder: Where they go.
        only: Pattern of names, such as `*_fan.zip`.
        progress: Makes a progress bar of a name, in the form pooch takes (`total`, `update`, `reset`, `close`).
    Returns:
        Of each file `name`, `bytes`, `checksum`, and `held_against`: publisher, first download, or nothing yet.
    Raises:
        DownloadError: The publisher wants a person to ask, nothing fits `only`, it cannot be reached, or what came is
            not what it should be.
    """
    import pooch
    import requests

    try:
        offered = _files(place)
    except (requests.RequestException, ValueError) as error:
        raise DownloadError(f"{place.page} does not tell its files: {error}") from None
    wanted = [remote for remote in offered if fnmatch.fnmatch(remote.name, only)]
    if not wanted:
        raise DownloadError(_nothing(place, offered, only))
    folder.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("WARNING")  # what it says else is for whoever sees no bar
    seen = read_json(folder / SEEN) or {}
    told = []
    for remote in wanted:
        known = remote.checksum or seen.get(remote.name)
        bar = progress(remote.name) if progress else False
        target = folder / remote.name
        try:
            downloader = pooch.downloaders.choose_downloader(remote.url, progressbar=bar)
            pooch.retrieve(remote.url, known, fname=target.name, path=target.parent, downloader=downloader)
        except (requests.RequestException, OSError) as error:
            raise DownloadError(f"{remote.url}: {error}; ask again, or fetch it by hand from {place.page}") from None
        except ValueError as error:  # what pooch says of another checksum; it has taken the file away again
            raise DownloadError(f"{remote.name} is not what it should be: {error}") from None
        checksum = known or f"sha256:{pooch.file_hash(str(target))}"
        if not known:
            write_json(folder / SEEN, seen := {**seen, remote.name: checksum})
        held = "publisher" if remote.checksum else "first download" if known else "nothing yet"
        told.append({"name": remote.name, "bytes": target.stat().st_size, "checksum": checksum, "held_against": held})
    return told


def _files(place: Place) -> Sequence[Remote]:
    if place.doi is None:
        return place.files
    import pooch

    record = pooch.create(path=".", base_url=f"doi:{place.doi}/")
    record.load_registry_from_doi()
    return [Remote(name, f"{record.base_url}{name}", checksum) for name, checksum in record.registry.items()]


def _nothing(place: Place, offered: Sequence[Remote], only: str) -> str:
    if offered:
        return f"no file fits {only!r}; there are {json.dumps([remote.name for remote in offered][:20])}"
    return (
        f"the publisher gives it to people, not to programs ({place.terms}): fetch it by hand from {place.page}, "
        "then `smartmaint import`"
    )
