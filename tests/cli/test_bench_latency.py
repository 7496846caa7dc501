"""What the latency bench says of what it saw."""

import json
import math

import pytest

from jobs.bench_latency import Measured, _at_most


@pytest.mark.parametrize(("n", "p50", "p95"), [(1, 1, 1), (20, 10.5, 19), (100, 50.5, 95)])
def test_p95_is_the_value_below_which_95_of_100_lie(n, p50, p95):
    measured = Measured(seconds=[float(second) for second in reversed(range(1, n + 1))])
    assert (measured.p50, measured.p95) == (p50, p95)


def test_batches_that_never_were_done_count_as_the_slowest():
    assert Measured(seconds=[1.0] * 18 + [math.inf] * 2).p95 == math.inf


@pytest.mark.parametrize(("ours", "met"), [(2.0, True), (3.0, True), (3.1, False), (math.inf, False)])
def test_a_goal_is_the_most_that_we_may_need(ours, met):
    row = _at_most("landed to verdict", ours, 30.0, "s", goal=3.0)
    assert row["met"] is met
    assert json.loads(json.dumps(row, allow_nan=False)) == row
