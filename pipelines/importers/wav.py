"""WAV: channels out of a RIFF file in the file's own precision (Microsoft, Multiple channel audio data, 2007)."""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.importers.parsed import FileError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
SUBFORMAT = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
"""What follows the format code in the identifier of an extensible header."""
MOST_CHANNELS = 256
DEPTHS = {(PCM, 8): "u1", (PCM, 16): "<i2", (PCM, 24): "u1", (PCM, 32): "<i4", (FLOAT, 32): "<f4", (FLOAT, 64): "<f8"}


@dataclass(frozen=True)
class Sound:
    """A recording.

    Attributes:
        sample_rate_hz: Samples a second of each channel.
        samples: Shape (n_channels, n_samples); int16 for 8 and 16 bit, int32 for 24 and 32, float32 or float64.
        scale: Share of full scale of a sample is this times the sample; 1 for floats.
    """

    sample_rate_hz: float
    samples: NDArray[Any]
    scale: float


@dataclass(frozen=True)
class _Format:
    code: int
    channels: int
    rate_hz: int
    bits: int


def read_wav(data: bytes) -> Sound:
    """Read a WAV file of PCM or IEEE float samples; chunks that say nothing about them are passed over.

    Raises:
        FileError: No WAV file, a coding that is not read, a header that contradicts itself, or fewer bytes than it
            promises.
    """
    if data[:4] in (b"RIFX", b"RF64", b"BW64"):
        raise FileError("not_wav", f"{data[:4].decode()} files are not read; expected a RIFF WAVE file")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise FileError("not_wav", f"not a WAV file: it begins with {data[:12]!r}; expected RIFF....WAVE")
    form: _Format | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        start = at + 8
        if name == b"fmt ":
            form = _format(data[start : start + size])
        elif name == b"data":
            if form is None:
                raise FileError("not_wav", "the samples come before the format; expected `fmt ` before `data`")
            return _sound(form, data, start, size)
        at = start + size + size % 2  # chunks begin at even places
    raise FileError("cut_short", "the file ends before its samples: there is no `data` chunk. Send the file again")


def _format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise FileError("not_wav", f"the format has {len(chunk)} bytes; expected 16 or more")
    code, channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if code == EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != SUBFORMAT:
            raise FileError("not_wav", "an extensible format that is neither PCM nor float; expected one of these")
        (code,) = struct.unpack("<H", chunk[24:26])
    if (code, bits) not in DEPTHS:
        expected = "PCM of 8, 16, 24 or 32 bit or float of 32 or 64"
        raise FileError("not_wav", f"format {code} of {bits} bit is not read; expected {expected}")
    if not 1 <= channels <= MOST_CHANNELS:
        raise FileError("not_wav", f"{channels} channels; expected 1 to {MOST_CHANNELS}")
    if rate == 0:
        raise FileError("not_wav", "0 samples a second; expected a rate such as 16000")
    if block != channels * bits // 8:
        told = f"expected {channels * bits // 8} for {channels} channels of {bits} bit"
        raise FileError("not_wav", f"{block} bytes a frame; {told}")
    return _Format(code, channels, rate, bits)


def _sound(form: _Format, data: bytes, start: int, size: int) -> Sound:
    frame, there = form.channels * form.bits // 8, len(data) - start
    if size > there:
        raise FileError("cut_short", f"{size} bytes of samples are promised, {there} are there. Send the file again")
    if size == 0 or size % frame:
        told = "none" if size == 0 else f"{size} bytes, which is no whole number of frames of {frame}"
        raise FileError("cut_short", f"expected samples, found {told}")
    raw = np.frombuffer(
        data, DEPTHS[form.code, form.bits], size * 8 // form.bits * (3 if form.bits == 24 else 1), start
    )
    samples, scale = _values(raw, form)
    return Sound(float(form.rate_hz), np.ascontiguousarray(samples.reshape(-1, form.channels).T), scale)


def _values(raw: NDArray[Any], form: _Format) -> tuple[NDArray[Any], float]:
    """Samples of all channels in turn, and their scale; 8 bit is stored around 128, all else around 0."""
    if form.code == FLOAT:
        return raw, 1.0
    if form.bits == 8:
        return raw.astype(np.int16) - np.int16(128), 2.0**-7
    if form.bits == 24:
        wide = np.zeros((raw.size // 3, 4), np.uint8)
        wide[:, 1:] = raw.reshape(-1, 3)
        return wide.reshape(-1).view("<i4") >> 8, 2.0**-23
    return raw, 2.0 ** (1 - form.bits)
