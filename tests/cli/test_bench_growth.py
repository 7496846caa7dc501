"""Which batches the growth bench measures, however many land."""

import pytest

from jobs.bench_growth import _place_measured


@pytest.mark.parametrize(
    ("batches", "measured"),
    [
        (12, {10: 12}),
        (99, {10: 12}),
        (100, {10: 12, 100: 100}),
        (101, {10: 12, 100: 101}),
        (102, {10: 12, 100: 102}),
        (1000, {10: 12, 100: 102, 1000: 1000}),
    ],
)
def test_every_place_that_is_reached_is_measured_once_with_what_landed_around_it(batches, measured):
    found = [(_place_measured(number, batches), number) for number in range(1, batches + 1)]
    assert [(place, number) for place, number in found if place] == list(measured.items())
