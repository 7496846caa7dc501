"""Alarms: k of n exceedances begin an episode, a quiet gap ends it, and later rows rename nothing."""

from collections.abc import Sequence
from datetime import datetime

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from unit.courses import RULES, defects, exceeding, hour_of, scores
from unit.tables import HOUR, MONDAY, finished, table

from pipelines.detection.alarms import alarms, concerned, retold

UNTOLD = table("alarms").clear()


def episodes(
    course: str | pl.DataFrame, quality: pl.DataFrame | None = None, told: pl.DataFrame = UNTOLD
) -> pl.DataFrame:
    """Episodes of windows as the end of the last one sees them."""
    scored = scores(course) if isinstance(course, str) else course
    newest = None if scored.is_empty() else scored["recorded_at"].max() + HOUR
    return finished("alarms", alarms(exceeding(scored, quality), told, newest=newest, rules=RULES))


def raised(course: str) -> list[tuple[int, int, int]]:
    """Hour of the start, of the alarm and of the last exceedance of each episode."""
    told = episodes(course).sort("started_at").select("started_at", "raised_at", "last_at").rows()
    return [tuple(map(hour_of, row)) for row in told]


@pytest.mark.parametrize(
    ("course", "expected"),
    [
        ("....XXX...", [(4, 7, 7)]),
        ("XXX", [(0, 3, 3)]),
        ("X.XX......", [(0, 4, 4)]),
        ("X-XX......", [(0, 4, 4)]),
        ("X..XX.....", []),
        ("X.X.X.X.X.X.", []),
        ("XX........", []),
        ("..........", []),
        ("", []),
        ("XX--XX....", []),
        ("XX  XX....", []),
        ("XX--XXX...", [(0, 7, 7)]),
        ("XXX....XX.", [(0, 3, 9)]),
        ("XXX.....XXX", [(0, 3, 11)]),
        ("XXX......XXX", [(0, 3, 3), (9, 12, 12)]),
        ("X....XXX", [(0, 8, 8)]),
    ],
)
def test_an_alarm_is_raised_when_k_exceed_in_the_time_of_n_windows_and_ends_after_a_quiet_gap(course, expected):
    assert raised(course) == expected


@pytest.mark.parametrize(("quiet", "is_open"), [(0, True), (5, True), (6, False), (50, False)])
def test_an_episode_is_open_until_it_was_quiet_for_longer_than_the_gap(quiet, is_open):
    assert episodes("XXX" + "." * quiet)["is_open"].to_list() == [is_open]


def test_windows_without_a_score_let_time_pass():
    assert episodes("XXX" + "-" * 6)["is_open"].to_list() == [False]


def test_an_episode_tells_its_worst_its_mean_and_the_sensor_that_led():
    frame = scores("XXXX.").with_columns(
        score=pl.Series([0.92, 0.99, 0.94, 0.95, 0.1]),
        top_sensor=pl.Series(["w", "v", "v", "w", "x"]),
        top_z=pl.Series([-3.0, 8.0, 6.0, -4.0, 99.0]),
        deviating_sensors=pl.Series([1, 3, 2, 1, 9]),
    )
    row = episodes(frame).row(0, named=True)
    assert (row["exceedances"], row["peak_score"], row["deviating_sensors"]) == (4, 0.99, 3)
    assert row["mean_score"] == pytest.approx(0.95)
    assert (row["top_sensor"], row["top_z"]) == ("v", 7.0)
    assert (row["threshold"], row["rules_version"], row["kind"]) == (0.9, RULES.version, "anomaly")


@pytest.mark.parametrize(
    ("one", "other", "alarmed"), [("XX", "XXX", ["plant.pump-2"]), ("XX", "XX", []), ("X", "XX", [])]
)
def test_exceedances_of_one_machine_do_not_count_for_another(one, other, alarmed):
    both = pl.concat([scores(one, machine_id="plant.pump-1"), scores(other, machine_id="plant.pump-2")])
    assert episodes(both)["machine_id"].to_list() == alarmed


def test_episodes_have_ids_of_their_own():
    assert episodes("XXX......XXX")["alarm_id"].n_unique() == 2


@pytest.mark.parametrize(("kind", "value"), [("silent", None), ("stuck", 2.0)])
def test_a_defect_of_the_data_is_an_alarm_of_its_own_that_no_model_raised(kind, value):
    quality = pl.concat([defects("XXX", kind, sensor="w"), defects(".X", kind, sensor="v")])
    assert set(quality["value"]) == {value}
    row = episodes("XXX", quality).filter(pl.col("kind") == kind).row(0, named=True)
    assert (row["exceedances"], row["top_sensor"], row["deviating_sensors"], row["mean_score"]) == (3, "w", 2, 1.0)
    assert (row["top_z"], row["threshold"], row["model_version"]) == (None, None, None)
    assert (hour_of(row["raised_at"]), row["is_open"]) == (2, True)


def test_kinds_raised_at_the_same_start_are_alarms_apart():
    found = episodes("XXX", pl.concat([defects("XX"), defects("XX", "stuck")]))
    assert sorted(found["kind"]) == ["anomaly", "silent", "stuck"]
    assert found["alarm_id"].n_unique() == 3


@pytest.mark.parametrize("course", ["", "...", "XX"])
def test_without_a_run_that_was_raised_there_is_no_alarm(course):
    assert episodes(course).is_empty()


COURSES = st.text("X.-", max_size=25) | st.lists(st.sampled_from(["XXX", "X", ".", "......", "-"]), max_size=10).map(
    "".join
)


@given(COURSES, st.text("X.-", max_size=10))
@settings(max_examples=25)
def test_later_windows_rename_no_alarm_and_move_no_beginning(course, later):
    before = episodes(course).sort("started_at").select("alarm_id", "started_at", "raised_at").rows()
    after = episodes(course + later).sort("started_at").select("alarm_id", "started_at", "raised_at").rows()
    event(f"alarms before: {len(before)}, after: {len(after)}")
    assert after[: len(before)] == before


@given(COURSES)
@settings(max_examples=25)
def test_an_alarm_is_raised_at_the_end_of_a_window_that_made_it_k_in_the_time_of_n(course):
    found = episodes(course)
    event(f"alarms: {found.height}")
    for started, raised_at in found.select("started_at", "raised_at").rows():
        end = hour_of(raised_at)
        last: Sequence[str] = course[max(0, end - RULES.n) : end]
        assert last[-1] == "X"
        assert last.count("X") >= RULES.k
        assert started < raised_at


# --- what late data moves


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        ("...XXX....", ".X.XXX....", True),
        (".X.XXX....", "...XXX....", True),
        ("...XXX....", "...XXXXX..", False),
        ("...XXX....", "..........", False),
        ("XXX......XXX", "XXX..X...XXX", False),
        ("...XXX.......XXX", "...XXX.......XXX", False),
    ],
    ids=["earlier", "later", "longer", "gone", "joined to one that stays", "nothing"],
)
def test_an_episode_whose_start_late_data_moves_is_superseded_by_the_one_that_overlaps_it(before, after, moved):
    told = episodes(before)
    new = episodes(after, told=told)
    assert [one is not None for one in new["supersedes"]] == [moved] * min(new.height, 1) + [False] * (new.height - 1)
    if moved:
        assert new["supersedes"].to_list() == told["alarm_id"].to_list()
        assert new["alarm_id"].to_list() != told["alarm_id"].to_list()


def test_what_an_episode_supersedes_is_kept_while_it_stands():
    first = episodes("...XXX....")
    second = episodes(".X.XXX....", told=first)
    third = episodes(".X.XXX.X..", told=second)
    assert third["supersedes"].to_list() == second["supersedes"].to_list() == first["alarm_id"].to_list()


@pytest.mark.parametrize("before", [".XXX........XXXXX", ".XXXXX......XXX.."])
def test_of_several_that_are_there_no_more_the_one_that_overlaps_longest_is_superseded(before):
    told = episodes(before)
    assert told.height == 2
    [joined] = episodes("XXXXXX..X...XXXXX", told=told)["supersedes"]
    assert joined == told.sort("exceedances")["alarm_id"][-1]


@pytest.mark.parametrize("others", [{"machine_id": "plant.pump-2"}, {"kind": "stuck"}])
def test_an_episode_of_another_machine_or_kind_is_not_superseded(others):
    told = episodes("...XXX....").with_columns(pl.lit(value).alias(name) for name, value in others.items())
    assert episodes(".X.XXX....", told=told)["supersedes"].to_list() == [None]


def test_an_episode_that_ended_when_the_new_one_begins_is_not_superseded():
    told = episodes("XXX.......")
    assert told["last_at"].item() == MONDAY + 3 * HOUR
    assert episodes("...XXX....", told=told)["supersedes"].to_list() == [None]


# --- what news touches


def after_news(before: str, now: datetime, moments: dict[str, datetime]) -> tuple[list[bool], int]:
    """Whether episodes told anew are open, and how many went, when nothing near them changed."""
    told = episodes(before).filter(concerned(moments, newest=now, rules=RULES))
    found = retold(exceeding(scores("")), told, moments, newest=now, rules=RULES)
    return found.rows["is_open"].to_list(), found.gone.height


@pytest.mark.parametrize(("hours", "told"), [(8, []), (9, [False])])
def test_time_alone_ends_an_episode_and_says_so_once(hours, told):
    """Quiet for the gap it is open still, as it was told; a window later it is not."""
    assert after_news("XXX", MONDAY + hours * HOUR, {}) == (told, 0)
    assert after_news("XXX......", MONDAY + hours * HOUR, {}) == ([], 0) if told else True


def test_an_episode_near_news_that_is_there_no_more_is_gone():
    assert after_news("XXX......", MONDAY + 9 * HOUR, {"plant.pump-1": MONDAY + 8 * HOUR}) == ([], 1)
    assert after_news("XXX......", MONDAY + 9 * HOUR, {"plant.pump-1": MONDAY + 9 * HOUR}) == ([], 0)
    assert after_news("XXX......", MONDAY + 9 * HOUR, {"plant.pump-2": MONDAY}) == ([], 0)


def test_rows_at_a_touched_start_that_nobody_told_anew_stay_as_they_stand():
    quality = defects("XX")
    stood = episodes("XXX", quality)
    found = retold(
        exceeding(scores("XXXX")), stood.filter(pl.col("kind") == "anomaly"), {"plant.pump-1": MONDAY + 3 * HOUR},
        newest=MONDAY + 4 * HOUR, rules=RULES,
    )  # fmt: skip
    assert found.starts == [("plant.pump-1", MONDAY)]
    assert sorted(found.among(stood).select("kind", "exceedances").rows()) == [("anomaly", 4), ("silent", 2)]


@pytest.mark.parametrize("hours_after", [1, 6, 8, 9, 30])
def test_an_episode_that_is_read_again_for_news_after_it_keeps_what_it_supersedes(hours_after):
    first = episodes("...XXX....")
    stood = episodes(".X.XXX....", told=first)
    moments = {"plant.pump-1": stood["last_at"].item() + hours_after * HOUR}
    runs = exceeding(scores(".X.XXX....")).filter(pl.col("recorded_at") >= moments["plant.pump-1"] - RULES.look_back)
    told = stood.filter(concerned(moments, newest=MONDAY + 10 * HOUR, rules=RULES))
    found = retold(runs, told, moments, newest=MONDAY + 10 * HOUR, rules=RULES)
    assert set(found.rows["supersedes"]) <= set(first["alarm_id"])
    assert found.gone.is_empty()
