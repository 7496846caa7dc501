"""Files in the exact layouts of the snapshot data sets, made small where the layout allows it."""

import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def packed(path: Path, files: Mapping[str, bytes], *, method: int = zipfile.ZIP_STORED) -> Path:
    """A zip of these files in this order."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return path


def damaged(path: Path, text: bytes, *, by: bytes) -> Path:
    """The file with the first `text` in it overwritten."""
    data = path.read_bytes()
    at = data.index(text)
    path.write_bytes(data[:at] + by + data[at + len(by) :])
    return path


def ims(columns: int, *, rows: int = 20_480, seed: int = 1) -> tuple[bytes, NDArray[np.float64]]:
    """A file of NASA IMS and its values, shape (rows, columns)."""
    values = np.random.default_rng(seed).integers(-999, 999, (rows, columns)) / 1000
    return b"".join(b"\t".join(b"%.3f" % value for value in row) + b"\n" for row in values), values


def xjtu(*, rows: int = 32_768, seed: int = 1, end: str = "\n") -> tuple[bytes, NDArray[np.float64]]:
    values = np.random.default_rng(seed).integers(-99_999, 99_999, (rows, 2)) / 1e5
    lines = ["Horizontal_vibration_signals,Vertical_vibration_signals", *(f"{x},{y}" for x, y in values)]
    return "".join(line + end for line in lines).encode(), values


def femto_acceleration(
    clock: tuple[int, int, int, str], *, separator: str = ",", rows: int = 2_560, seed: int = 1
) -> tuple[bytes, NDArray[np.float64]]:
    values = np.random.default_rng(seed).integers(-9_999, 9_999, (rows, 2)) / 1e3
    head = separator.join(map(str, clock))
    return "".join(f"{head}{separator}{x}{separator}{y}\n" for x, y in values).encode(), values


def femto_temperature(start_tenths: int, degrees: Sequence[float], *, separator: str = ",") -> bytes:
    """Ten rows a second from `start_tenths` tenths of a second after midnight."""
    lines = []
    for tenth, value in enumerate(degrees, start_tenths):
        clock = (tenth // 36_000 % 24, tenth // 600 % 60, tenth // 10 % 60, tenth % 10)
        lines.append(separator.join(map(str, (*clock, value))) + "\n")
    return "".join(lines).encode()


def chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def wav_format(channels: int, rate: int, bits: int, *, code: int = 1, extensible: bool = False) -> bytes:
    block = channels * bits // 8
    head = (channels, rate, rate * block, block, bits)
    if not extensible:
        return chunk(b"fmt ", struct.pack("<HHIIHH", code, *head))
    identifier = struct.pack("<H", code) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", struct.pack("<HHIIHHHHI", 0xFFFE, *head, 22, bits, 0xFF) + identifier)


def wav(samples: NDArray[np.int16], *, rate: int = 16_000, extensible: bool = False) -> bytes:
    """16 bit PCM of samples of shape (n_samples, n_channels)."""
    form = wav_format(samples.shape[1], rate, 16, extensible=extensible)
    return riff(form, chunk(b"data", samples.astype("<i2").tobytes()))


def mat(variables: Iterable[tuple[str, NDArray[np.float64]]], *, order: str = "<", compressed: bool = False) -> bytes:
    """A MATLAB 5 file of real double columns, made by the book rather than by SciPy."""
    header = b"MATLAB 5.0 MAT-file, made for a test".ljust(124) + struct.pack(order + "HH", 0x0100, 0x4D49)
    body = b""
    for name, values in variables:
        element = _mat_element(name, values, order)
        body += _tagged(15, zlib.compress(element), order, pad=False) if compressed else element
    return header + body


def _mat_element(name: str, values: NDArray[np.float64], order: str) -> bytes:
    parts = (
        _tagged(6, struct.pack(order + "II", 6, 0), order),
        _tagged(5, struct.pack(order + "ii", values.size, 1), order),
        _tagged(1, name.encode(), order),
        _tagged(9, values.astype(order + "f8").tobytes(), order),
    )
    return _tagged(14, b"".join(parts), order)


def _tagged(kind: int, data: bytes, order: str, *, pad: bool = True) -> bytes:
    return struct.pack(order + "II", kind, len(data)) + data + b"\0" * (-len(data) % 8 if pad else 0)
