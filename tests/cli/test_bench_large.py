"""A file that is larger than the memory it may take."""

import pytest

from jobs.bench_large import large


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_file_larger_than_its_memory_lands_whole():
    memory, _ = large(gigabytes=2.0)  # it grew no further from 0.5 to 5 GB
    assert memory["met"], memory
