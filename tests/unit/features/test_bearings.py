"""Bearing lines follow from geometry."""

import pytest

from pipelines.features.bearings import GEOMETRIES


@pytest.mark.parametrize(
    ("designation", "outer", "inner", "twice_spin", "cage"),
    [
        ("6205-2RS", 3.5848, 5.4152, 4.7135, 0.39828),  # as the publisher of CWRU states them
        ("6203-2RS", 3.0530, 4.9469, 3.9874, 0.3817),
    ],
)
def test_the_lines_are_those_the_publisher_states(designation, outer, inner, twice_spin, cage):
    found = GEOMETRIES[designation].orders
    assert found.ball_pass_outer == pytest.approx(outer, abs=2e-4)
    assert found.ball_pass_inner == pytest.approx(inner, abs=2e-4)
    assert 2 * found.ball_spin == pytest.approx(twice_spin, abs=3e-4)
    assert found.cage == pytest.approx(cage, abs=2e-4)


@pytest.mark.parametrize(
    ("designation", "speed_rpm", "outer_hz"),
    [("ZA-2115", 2_000, 236.4), ("UER204", 2_100, 107.91), ("PRONOSTIA", 1_800, 168.3)],
)
def test_the_outer_race_is_passed_as_often_as_the_papers_say(designation, speed_rpm, outer_hz):
    assert GEOMETRIES[designation].orders.ball_pass_outer * speed_rpm / 60 == pytest.approx(outer_hz, abs=0.1)


@pytest.mark.parametrize("designation", GEOMETRIES)
def test_both_races_together_see_every_element_once_a_turn(designation):
    found = GEOMETRIES[designation].orders
    assert found.ball_pass_outer + found.ball_pass_inner == pytest.approx(GEOMETRIES[designation].elements)
    assert found.cage * GEOMETRIES[designation].elements == pytest.approx(found.ball_pass_outer)
