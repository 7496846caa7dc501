"""MATLAB 5 files: the numbers that SciPy reads, and no size in them believed beyond the bytes that are there."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import loadmat, savemat
from snapshot_files import mat

from pipelines.importers import mat5
from pipelines.importers.mat5 import read_mat
from pipelines.importers.parsed import FileError

NUMBERS = np.array([0.1, -2.5, 3.0])


@given(
    values=hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int8, np.uint16, np.int32, np.uint8, np.int64]),
        hnp.array_shapes(max_dims=3, max_side=5),
    ),
    compressed=st.booleans(),
)
def test_what_scipy_writes_is_read_as_scipy_reads_it(values, compressed):
    file = io.BytesIO()
    savemat(file, {"a": values, "text": "word", "cell": [1, "x"]}, do_compression=compressed)
    reference = loadmat(io.BytesIO(file.getvalue()))["a"]
    found = read_mat(file.getvalue())
    assert list(found) == ["a"]
    assert np.array_equal(found["a"], reference.ravel(order="F"), equal_nan=values.dtype.kind == "f")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
def test_either_byte_order_packed_or_not(order, compressed):
    found = read_mat(mat([("X1", NUMBERS), ("Y", NUMBERS[:1])], order=order, compressed=compressed))
    assert {name: values.tolist() for name, values in found.items()} == {"X1": [0.1, -2.5, 3.0], "Y": [0.1]}


def test_complex_and_sparse_arrays_are_passed_over():
    from scipy.sparse import eye

    file = io.BytesIO()
    savemat(file, {"a": NUMBERS * 1j, "b": eye(3), "c": NUMBERS})
    assert list(read_mat(file.getvalue())) == ["c"]


WHOLE = mat([("X1", NUMBERS)])
SHAPE = WHOLE.index(struct.pack("<ii", 3, 1))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "not a MATLAB 5 file"),
        (b"\x89HDF\r\n\x1a\n" + bytes(200), "7.3"),
        (b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM", "7.3"),
        (WHOLE[:-1], "are promised"),
        (WHOLE + b"\0\0\0", "ends within a tag"),
        (WHOLE[:SHAPE] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + WHOLE[SHAPE + 8 :], "24 bytes are there for"),
        (mat([("X1", NUMBERS)], compressed=True)[:-9], "are promised"),
        (WHOLE[:128] + struct.pack("<II", 15, 8) + b"notzlib!", "is damaged"),
        (WHOLE[:128] + struct.pack("<II", 15, 9) + zlib.compress(bytes(99))[:9], "cut short"),
        (WHOLE[:128] + struct.pack("<HH", 1, 9) + b"1234", "a small element of 9 bytes"),
    ],
)
def test_a_file_that_contradicts_itself_is_told(data, told):
    with pytest.raises(FileError, match=told):
        read_mat(data)


def test_more_than_a_recording_is_told_before_it_takes_memory(monkeypatch):
    monkeypatch.setattr(mat5, "MOST", 1_000)
    with pytest.raises(FileError, match="come out of this file"):
        read_mat(mat([("a", np.zeros(100)), ("b", np.zeros(100))], compressed=True))
    monkeypatch.setattr(mat5, "MOST_NUMBERS", 150)
    with pytest.raises(FileError, match="more than 150 numbers"):
        read_mat(mat([("a", np.zeros(100)), ("b", np.zeros(100))]))
