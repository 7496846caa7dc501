"""Whatever bytes come, the binary readers give rows or say why not, in little time and memory.

Each found crash is kept as a case of its own. `SMARTMAINT_FUZZ_SECONDS` lengthens the slow run.
"""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshot_files import chunk, ims, mat, packed, riff, wav, wav_format

from pipelines.importers.formats import read_file
from pipelines.importers.mat5 import read_mat
from pipelines.importers.parsed import FileError, joined
from pipelines.importers.wav import read_wav
from pipelines.register import Source

SECONDS = 2.0
"""That no single small file may take, on a busy machine."""
MEGABYTES = 600
"""By which no run may grow."""
WORDS = [b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"RIFF", b"data", b"fmt ", b"\0" * 8, b"\xff" * 8]
WORDS += [number.to_bytes(4, "little") for number in (0, 1, 9, 14, 15, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 1 << 28)]


def wav_seeds() -> list[bytes]:
    samples = np.arange(64, dtype=np.int16).reshape(-1, 4)
    seeds = [wav(samples), wav(samples, extensible=True)]
    for bits, code in ((8, 1), (24, 1), (32, 1), (32, 3), (64, 3)):
        form = wav_format(2, 8_000, bits, code=code)
        seeds.append(riff(form, chunk(b"fact", bytes(4)), chunk(b"LIST", b"odd"), chunk(b"data", bytes(48))))
    return seeds


def mat_seeds() -> list[bytes]:
    variables = [("X105_DE_time", np.arange(9.0)), ("X105RPM", np.array([1_797.0])), ("X105_FE_time", np.ones(4))]
    return [mat(variables, order=order, compressed=packed) for order in "<>" for packed in (False, True)]


def zip_seeds(folder: Path) -> list[bytes]:
    clips = {f"6_dB_fan/fan/id_00/normal/0000000{at}.wav": data for at, data in enumerate(wav_seeds()[:3])}
    names = [packed(folder / f"{method}.zip", clips, method=method) for method in (0, 8)]
    return [path.read_bytes() for path in names]


def mutated(data: bytes, chance: Random) -> bytes:
    """The bytes with one to six changes: bits, words, lengths, cuts, copies."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(out) + 1)
        kind = chance.randrange(7)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = chance.randrange(256)
        elif kind == 2:
            word = chance.choice(WORDS)
            out[at : at + len(word)] = word
        elif kind == 3:
            del out[at : at + chance.randint(1, 40)]
        elif kind == 4:
            out[at:at] = out[: chance.randint(0, 60)]
        elif kind == 5:
            out[at:at] = chance.randbytes(chance.randint(1, 8))
        else:
            del out[at:]
    return bytes(out)


def by_path(importer: str, ending: str, folder: Path) -> Callable[[bytes], object]:
    path = folder / f"fan{ending}"

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return joined(read_file(path, Source("plant", importer)))

    return read


def answered(read: Callable[[bytes], object], data: bytes) -> None:
    """Rows or a `FileError`; anything else is a crash, told with the bytes that made it."""
    began = time.perf_counter()
    try:
        read(data)
    except FileError as error:
        assert str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error} on {data!r}") from error
    taken = time.perf_counter() - began
    assert taken < SECONDS, f"{taken:.1f} s for {data!r}"


def fuzzed(readers: dict[str, tuple[Callable[[bytes], object], list[bytes]]], cases: int, seed: int) -> None:
    chance = Random(seed)
    for read, seeds in readers.values():
        for _ in range(cases):
            answered(read, mutated(chance.choice(seeds), chance))


@pytest.fixture
def readers(tmp_path: Path) -> dict[str, tuple[Callable[[bytes], object], list[bytes]]]:
    """Every binary reader by itself and behind its importer, with valid files to start from."""
    return {
        "wav": (read_wav, wav_seeds()),
        "mat": (read_mat, mat_seeds()),
        "wav file": (by_path("mimii", ".wav", tmp_path), wav_seeds()),
        "mat file": (by_path("cwru", ".mat", tmp_path), mat_seeds()),
        "zip file": (by_path("mimii", ".zip", tmp_path), zip_seeds(tmp_path)),
    }


def grown_megabytes(run: Callable[[], None]) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def test_hundreds_of_spoilt_files_of_each_kind_are_answered(readers):
    for read, seeds in readers.values():
        for seed in seeds:
            read(seed)
    assert grown_megabytes(lambda: fuzzed(readers, cases=400, seed=4)) < MEGABYTES


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_spoilt_files_are_answered_for_minutes(readers, record_property):
    until = time.monotonic() + float(os.environ.get("SMARTMAINT_FUZZ_SECONDS", "120"))
    seed = 1_000

    def run() -> None:
        nonlocal seed
        while time.monotonic() < until:
            fuzzed(readers, cases=100, seed=seed)
            seed += 1

    grown = grown_megabytes(run)
    record_property("spoilt_files", (seed - 1_000) * 100 * len(readers))
    assert grown < MEGABYTES


@given(data=st.data(), kind=st.sampled_from(["wav", "mat", "zip"]))
def test_any_bytes_put_into_a_valid_file_are_answered(data, kind, tmp_path_factory):
    folder = tmp_path_factory.mktemp("zip")
    read, seeds = {
        "wav": (read_wav, wav_seeds()),
        "mat": (read_mat, mat_seeds()),
        "zip": (by_path("mimii", ".zip", folder), zip_seeds(folder)),
    }[kind]
    file = data.draw(st.sampled_from(seeds))
    at = data.draw(st.integers(0, len(file)))
    gone = data.draw(st.integers(0, 16))
    answered(read, file[:at] + data.draw(st.binary(max_size=16)) + file[at + gone :])


@given(data=st.binary(max_size=300))
def test_any_bytes_at_all_are_answered(data):
    for read in (read_wav, read_mat):
        answered(read, data)


@given(noise=st.binary(max_size=40), at=st.integers(0, 400))
def test_text_spoilt_anywhere_is_answered(noise, at, tmp_path_factory):
    text = ims(4, rows=40)[0]
    path = tmp_path_factory.mktemp("text") / "2004.02.12.10.32.39"

    def read(data: bytes) -> object:
        path.write_bytes(data)
        return joined(read_file(path, Source("plant", "nasa-ims")))

    answered(read, text[:at] + noise + text[at:])
