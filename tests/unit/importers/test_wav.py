"""WAV: every sample in the file's own precision, as other readers read it, and a lie in a header is told."""

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile
from snapshot_files import chunk, riff, wav, wav_format

from pipelines.importers.parsed import FileError
from pipelines.importers.wav import read_wav

FULL = [0, 1, -1, 127, -128, 32_767, -32_768]


def sound(bits: int, raw: bytes, *, channels: int = 1, code: int = 1, extensible: bool = False) -> bytes:
    return riff(wav_format(channels, 8_000, bits, code=code, extensible=extensible), chunk(b"data", raw))


@pytest.mark.parametrize("extensible", [False, True])
@pytest.mark.parametrize(
    ("bits", "code", "raw", "dtype", "values"),
    [
        (8, 1, bytes([0, 127, 128, 255]), np.int16, [-1, -1 / 128, 0, 127 / 128]),
        (16, 1, struct.pack("<3h", -32_768, 1, 32_767), np.int16, [-1, 2**-15, 1 - 2**-15]),
        (24, 1, b"\x00\x00\x80" + b"\x01\x00\x00" + b"\xff\xff\x7f", np.int32, [-1, 2**-23, 1 - 2**-23]),
        (32, 1, struct.pack("<3i", -(2**31), 1, 2**31 - 1), np.int32, [-1, 2**-31, 1 - 2**-31]),
        (32, 3, struct.pack("<2f", -0.1, 1.5), np.float32, [float(np.float32(-0.1)), 1.5]),
        (64, 3, struct.pack("<2d", -0.1, 1.5), np.float64, [-0.1, 1.5]),
    ],
)
def test_a_sample_times_the_scale_is_its_share_of_full_scale(bits, code, raw, dtype, values, extensible):
    found = read_wav(sound(bits, raw, code=code, extensible=extensible))
    assert found.samples.dtype == dtype
    assert (found.samples[0] * np.float64(found.scale)).tolist() == values
    assert found.sample_rate_hz == 8_000


def test_channels_are_taken_apart():
    samples = np.arange(24, dtype=np.int16).reshape(3, 8)
    assert read_wav(wav(samples, extensible=True)).samples.tolist() == samples.T.tolist()


@given(
    bits=st.sampled_from([8, 16, 24, 32]),
    channels=st.integers(1, 9),
    raw=st.binary(min_size=1, max_size=400),
    extra=st.lists(st.binary(max_size=9), max_size=3),
)
def test_pcm_is_read_as_the_standard_library_reads_it(bits, channels, raw, extra):
    frame = channels * bits // 8
    raw = (raw * frame)[: max(1, len(raw) // frame) * frame]
    unknown = [chunk(b"LIST", data) for data in extra]
    data = riff(wav_format(channels, 8_000, bits), *unknown, chunk(b"data", raw), chunk(b"junk", b"x"))
    with wave.open(io.BytesIO(data)) as reference:
        frames = reference.readframes(reference.getnframes())
        assert reference.getparams()[:4] == (channels, bits // 8, 8_000, len(raw) // frame)
    found = read_wav(data)
    values = np.rint(found.samples.T.astype(np.float64) * found.scale * 2.0 ** (bits - 1)).astype(np.int64).ravel()
    step = bits // 8
    expected = [
        frames[at] - 128 if bits == 8 else int.from_bytes(frames[at : at + step], "little", signed=True)
        for at in range(0, len(frames), step)
    ]
    assert values.tolist() == expected


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_what_scipy_writes_is_read_as_scipy_reads_it(dtype):
    values = np.random.default_rng(3).normal(0, 0.2, (50, 2))
    samples = values.astype(dtype) if dtype(0.5) else (values * 1_000).astype(dtype)
    file = io.BytesIO()
    wavfile.write(file, 44_100, samples)
    rate, reference = wavfile.read(io.BytesIO(file.getvalue()))
    found = read_wav(file.getvalue())
    assert found.sample_rate_hz == rate
    assert found.samples.dtype == reference.dtype
    assert np.array_equal(found.samples.T, reference)


def test_a_chunk_of_odd_length_is_followed_by_a_padding_byte():
    data = riff(chunk(b"LIST", b"odd"), wav_format(1, 8_000, 16), chunk(b"fact", bytes(4)), chunk(b"data", b"\1\0"))
    assert read_wav(data).samples.tolist() == [[1]]


FORM, DATA = wav_format(1, 8_000, 16), chunk(b"data", bytes(8))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not a WAV file"),
        (b"RIFF\0\0\0\0AVI ", "not a WAV file"),
        (b"RIFX" + riff(FORM, DATA)[4:], "RIFX files are not read"),
        (riff(DATA, FORM), "before the format"),
        (riff(FORM), "no `data` chunk"),
        (riff(FORM, DATA)[:-3], "8 bytes of samples are promised, 5 are there"),
        (riff(FORM, b"data" + struct.pack("<I", 0xFFFFFFFF) + bytes(8)), "4294967295 bytes of samples are promised"),
        (riff(FORM, chunk(b"data", b"")), "expected samples, found none"),
        (riff(FORM, chunk(b"data", bytes(7))), "7 bytes, which is no whole number of frames of 2"),
        (riff(chunk(b"fmt ", bytes(14)), DATA), "the format has 14 bytes"),
        (riff(wav_format(0, 8_000, 16), DATA), "0 channels"),
        (riff(wav_format(300, 8_000, 16), DATA), "300 channels"),
        (riff(wav_format(1, 0, 16), DATA), "0 samples a second"),
        (riff(wav_format(1, 8_000, 12), DATA), "format 1 of 12 bit"),
        (riff(wav_format(1, 8_000, 16, code=17), DATA), "format 17 of 16 bit"),
        (riff(wav_format(1, 8_000, 16, code=3), DATA), "format 3 of 16 bit"),
        (riff(FORM[:20] + b"\x09\0" + FORM[22:], DATA), "9 bytes a frame; expected 2"),
        (riff(wav_format(1, 8_000, 16, extensible=True)[:-1] + b"\0", DATA), "neither PCM nor float"),
    ],
)
def test_a_file_that_contradicts_itself_is_told(data, told):
    with pytest.raises(FileError, match=told):
        read_wav(data)
