"""Which files are taken next: none is hidden, none is taken twice."""

from datetime import timedelta

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipelines.landing import FIRST_PAUSE, LONGEST_PAUSE, pause_after, plan_micro_batch

FILES = {f"{source}/{number}.csv": source for number in range(4) for source in ("north", "south")}


@given(st.permutations(list(FILES)), st.sets(st.sampled_from(list(FILES))))
@settings(max_examples=50)
def test_whatever_the_order_every_file_is_in_flight_or_planned(order, in_flight):
    plan = plan_micro_batch({file: FILES[file] for file in order}, in_flight, limit=len(FILES))
    event(f"in flight: {len(in_flight)}")
    assert {file for files in plan.values() for file in files} == set(order) - in_flight
    assert all(FILES[file] == source for source, files in plan.items() for file in files)
    assert all(plan.values())


@given(st.permutations(list(FILES)), st.sets(st.sampled_from(list(FILES))), st.integers(0, 5))
@settings(max_examples=50)
def test_the_oldest_files_of_each_source_come_first_and_no_more_than_the_limit(order, in_flight, limit):
    plan = plan_micro_batch({file: FILES[file] for file in order}, in_flight, limit=limit)
    for source in ("north", "south"):
        waiting = [file for file in order if FILES[file] == source and file not in in_flight]
        event(f"cut by the limit: {len(waiting) > limit}")
        assert plan.get(source) == (waiting[:limit] or None)


@given(st.permutations(list(FILES)), st.integers(1, 3))
@settings(max_examples=50)
def test_taken_limit_by_limit_every_file_has_its_turn(order, limit):
    inbox, taken = {file: FILES[file] for file in order}, []
    while plan := plan_micro_batch(inbox, set(), limit=limit):
        landed = [file for files in plan.values() for file in files]
        taken += landed
        inbox = {file: source for file, source in inbox.items() if file not in landed}
    assert sorted(taken) == sorted(FILES)


@given(st.permutations(list(FILES)), st.sets(st.sampled_from(["north", "south"])))
@settings(max_examples=50)
def test_a_source_with_a_run_that_has_not_begun_is_not_planned(order, expected):
    plan = plan_micro_batch({file: FILES[file] for file in order}, set(), limit=9, expected=expected)
    event(f"expected: {len(expected)}")
    assert set(plan) == {"north", "south"} - expected


def test_an_empty_inbox_asks_for_nothing():
    assert plan_micro_batch({}, {"north/0.csv"}, limit=3) == {}


@given(st.integers(1, 200))
def test_a_pause_grows_with_every_failure_up_to_its_longest(failures):
    assert FIRST_PAUSE <= pause_after(failures) <= pause_after(failures + 1) <= LONGEST_PAUSE


def test_a_source_that_did_not_fail_does_not_wait():
    assert pause_after(0) == timedelta(0)
