"""From decisions to jobs, and from one plan to the next: what is asked, what was told, what is withdrawn."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta, timezone

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipelines.advisory.crew import Technician
from pipelines.advisory.open_work import VERSION, open_jobs, standing_slots, withdrawn
from pipelines.advisory.plan import plan, work_orders_frame
from pipelines.advisory.problem import Job, Slot
from pipelines.contracts.decisions import DECISIONS
from pipelines.contracts.enforce import conform, empty
from pipelines.contracts.work_orders import WORK_ORDERS

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANNA = Technician("anna", frozenset({"mechanical"}), frozenset(range(7)), time(6), time(14))
NO_WORK = {"due_at": None, "skill": None, "work_h": None}


def at(hours: float) -> datetime:
    return MONDAY + hours * HOUR


def decision(machine: str = "pump-1", decided_at: datetime = MONDAY, **changes: object) -> dict[str, object]:
    number = abs(int((decided_at - MONDAY) / HOUR))
    plain = {
        "source": "plant-a",
        "machine_id": f"plant-a.{machine}",
        "decision_id": f"decision-{int(machine.split('-')[1]):08x}{number:08x}",
        "decided_at": decided_at,
        "action": "plan",
        "failure_mode": "bearing_wear",
        "confidence": 0.9,
        "urgency": "high",
        "criticality": "medium",
        "due_at": at(72),
        "skill": "mechanical",
        "work_h": 2.0,
        "rationale": "believed and failing within days",
        "episode_at": at(-24),
        "alarm_id": "alarm-0123456789abcdef",
        "verdict_id": "verdict-0123456789abcdef",
        "forecast_id": "forecast-0123456789abcdef",
        "rules_version": "policy-1",
        "run_id": "run-1",
    }
    assert set(changes) <= set(plain)
    return plain | changes


def table(*decisions: dict[str, object]) -> pl.DataFrame:
    types = empty(DECISIONS).drop("day").schema
    return conform(pl.DataFrame(list(decisions), schema=types), DECISIONS)


def job(**changes: object) -> Job:
    (one,) = open_jobs(table(decision(**changes)))
    return one


def orders(jobs: Sequence[Job], now: datetime, before: pl.DataFrame | None = None) -> pl.DataFrame:
    """The table after one more plan: what it held, the rows of the plan, and the orders the plan withdraws."""
    before = empty(WORK_ORDERS) if before is None else before
    made = plan(jobs, [ANNA], now=now, standing=standing_slots(before, now=now), seed=1, horizon_days=3)
    gone = withdrawn(before, jobs, now=now)
    rows = work_orders_frame(jobs, made, gone, planned_at=now, rules_version=VERSION)
    return pl.concat([before, conform(rows.with_columns(run_id=pl.lit("run-1")), WORK_ORDERS)])


def of_plan(work_orders: pl.DataFrame, now: datetime) -> dict[str, str]:
    """Status by work order id in the plan of one moment; no order is in it twice."""
    rows = work_orders.filter(pl.col("planned_at") == now)
    assert rows["work_order_id"].is_unique().all()
    return dict(rows.select("work_order_id", "status").iter_rows())


# --- jobs ------------------------------------------------------------------------------------------------------------


def test_a_job_says_what_its_decision_says():
    one = job(urgency="medium", criticality="high", due_at=at(30), skill="electrical", work_h=3.5)
    assert one == Job(
        work_order_id=one.work_order_id,
        source="plant-a",
        machine_id="plant-a.pump-1",
        failure_mode="bearing_wear",
        kind="repair",
        skill="electrical",
        work_h=3.5,
        due_at=at(30),
        priority=30,
        decision_id="decision-0000000100000000",
    )


@pytest.mark.parametrize(("action", "kind"), [("plan", "repair"), ("inspect", "inspection")])
def test_a_plan_is_a_repair_and_an_inspect_an_inspection(action, kind):
    assert job(action=action).kind == kind


@pytest.mark.parametrize("action", ["monitor", "ask"])
def test_to_monitor_or_to_ask_is_no_work(action):
    assert open_jobs(table(decision(action=action, **NO_WORK))) == []


def test_no_decisions_are_no_jobs():
    assert open_jobs(table()) == []


@pytest.mark.parametrize(("criticality", "of_machine"), [("low", 1), ("medium", 3), ("high", 10)])
@pytest.mark.parametrize(("urgency", "of_failure"), [("none", 1), ("low", 1), ("medium", 3), ("high", 10)])
def test_an_hour_too_late_weighs_urgency_times_criticality(urgency, of_failure, criticality, of_machine):
    assert job(urgency=urgency, criticality=criticality).priority == of_failure * of_machine


def test_a_newer_decision_that_asks_for_nothing_takes_the_job_back():
    assert open_jobs(table(decision(), decision(decided_at=at(1), action="monitor", **NO_WORK))) == []


def test_an_older_decision_that_arrives_later_changes_nothing():
    old, new = decision(decided_at=at(1), work_h=9.0), decision(decided_at=at(2), work_h=1.0)
    assert [one.work_h for one in open_jobs(table(new, old))] == [1.0]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 9), st.sampled_from(["plan", "inspect", "ask", "monitor"])),
        unique_by=lambda made: made[:2],
        max_size=10,
    ),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25, deadline=None)
def test_each_machine_has_the_job_of_its_newest_decision_whatever_the_order_of_rows(made, chance):
    works = {"plan": {}, "inspect": {}, "ask": NO_WORK, "monitor": NO_WORK}
    rows = [
        decision(f"pump-{machine}", at(hour), action=action, **works[action], failure_mode=f"mode-{machine}-{hour}")
        for machine, hour, action in made
    ]
    newest = {machine: (hour, action) for machine, hour, action in sorted(made)}
    asked = {m: f"mode-{m}-{hour}" for m, (hour, action) in newest.items() if action in ("plan", "inspect")}
    event(f"{len(asked)} of {len(newest)} machines ask for work")
    found = open_jobs(table(*rows))
    assert [one.failure_mode for one in found] == [asked[machine] for machine in sorted(asked)]
    assert open_jobs(table(*chance.sample(rows, len(rows)))) == found


def test_a_job_keeps_its_id_from_decision_to_decision():
    later = job(decided_at=at(9), action="inspect", urgency="low", due_at=at(80), work_h=1.0)
    assert later.decision_id != job().decision_id
    assert later.work_order_id == job().work_order_id


@pytest.mark.parametrize(
    "changes",
    [{"machine": "pump-2"}, {"failure_mode": "cavitation"}, {"episode_at": at(-23)}],
    ids=lambda c: next(iter(c)),
)
def test_another_machine_mode_or_episode_is_another_job(changes):
    assert job(**changes).work_order_id != job().work_order_id


# --- slots people were told of ---------------------------------------------------------------------------------------


def test_before_the_first_plan_no_slot_stands():
    assert standing_slots(empty(WORK_ORDERS), now=at(5)) == {}


def test_the_slots_of_the_newest_plan_before_now_stand():
    one, other = job(), job(machine="pump-2")
    first = orders([one], at(5))
    both = orders([one, other], at(6), first)
    assert standing_slots(first, now=at(6)) == {one.work_order_id: Slot("anna", at(6), at(8))}
    assert standing_slots(both, now=at(7)) == {
        one.work_order_id: Slot("anna", at(6), at(8)),
        other.work_order_id: Slot("anna", at(8), at(10)),
    }


@pytest.mark.parametrize("now", [at(6), at(5.5)])
def test_a_plan_of_this_very_moment_or_a_later_one_is_not_stood_by(now):
    one, other = job(), job(machine="pump-2")
    both = orders([one, other], at(6), orders([one], at(5)))
    assert set(standing_slots(both, now=now)) == {one.work_order_id}


def test_an_order_without_a_slot_stands_nowhere():
    placed, unplaced = job(), job(machine="pump-2", skill="crane")
    assert set(standing_slots(orders([placed, unplaced], at(5)), now=at(6))) == {placed.work_order_id}


@pytest.mark.parametrize(
    ("due_at", "first"),
    [
        (at(8), "weighty"),
        (at(9.5), "weighty"),  # two quarter hours late cost 2 x 100 x 30, a move 400 x 9 and the later start
        (at(9.75), "standing"),  # one costs less than the move
        (at(10), "standing"),
    ],
)
def test_a_told_slot_moves_for_a_weightier_job_only_if_that_is_cheaper(due_at, first):
    standing = job(machine="pump-1", urgency="medium")
    weighty = job(machine="pump-2", due_at=due_at)
    before = orders([standing], at(4))
    assert standing_slots(before, now=at(5)) == {standing.work_order_id: Slot("anna", at(6), at(8))}
    after = standing_slots(orders([standing, weighty], at(5), before), now=at(6))
    ids = {"standing": standing.work_order_id, "weighty": weighty.work_order_id}
    assert after.pop(ids[first]) == Slot("anna", at(6), at(8))
    assert list(after.values()) == [Slot("anna", at(8), at(10))]


# --- orders that nothing asks for any more ---------------------------------------------------------------------------


def test_an_order_that_nothing_asks_for_is_withdrawn_with_a_reason_and_no_slot():
    one = job()
    last = orders([], at(5.5), orders([one], at(5))).filter(pl.col("planned_at") == at(5.5))
    (row,) = last.to_dicts()
    assert (row["work_order_id"], row["machine_id"], row["decision_id"]) == (
        *(one.work_order_id, one.machine_id, one.decision_id),
    )
    assert (row["status"], row["note"]) == ("withdrawn", "no decision asks for it any more")
    assert (row["technician"], row["starts_at"], row["ends_at"]) == (None, None, None)
    assert row["day"] == at(5.5).date()


@pytest.mark.parametrize(("now", "is_kept"), [(5.75, False), (6, True), (7.75, True), (8, False)])
def test_work_that_somebody_is_at_is_not_withdrawn_before_its_slot_is_over(now, is_kept):
    first = orders([job()], at(5))
    (before,) = first.to_dicts()
    (after,) = orders([], at(now), first).filter(pl.col("planned_at") == at(now)).to_dicts()
    kept = [after[name] == before[name] for name in ("status", "technician", "starts_at", "ends_at", "note")]
    assert set(kept) == {is_kept}


def test_neither_the_one_at_work_that_nothing_asks_for_nor_the_machine_is_given_to_another_job():
    first = orders([job()], at(5))
    same_machine = job(failure_mode="cavitation")
    slots = standing_slots(orders([same_machine], at(7), first), now=at(7.5))
    assert slots == {
        job().work_order_id: Slot("anna", at(6), at(8)),
        same_machine.work_order_id: Slot("anna", at(8), at(10)),
    }
    assert {slot.machine_id for slot in slots.values()} == {"plant-a.pump-1"}


def test_an_order_that_is_still_asked_for_is_not_withdrawn():
    one, other = job(), job(machine="pump-2")
    after = orders([one], at(5.5), orders([one, other], at(5)))
    assert of_plan(after, at(5.5)) == {one.work_order_id: "proposed", other.work_order_id: "withdrawn"}


def test_an_order_that_never_had_a_slot_is_withdrawn_as_well():
    one = job(skill="crane")
    assert of_plan(orders([], at(6), orders([one], at(5))), at(6)) == {one.work_order_id: "withdrawn"}


def test_before_the_first_plan_there_is_nothing_to_withdraw():
    assert withdrawn(empty(WORK_ORDERS), [job()], now=at(5)).is_empty()


def test_after_all_is_withdrawn_the_old_plan_stands_no_more():
    after = orders([], at(5.5), orders([job()], at(5)))
    assert standing_slots(after, now=at(7)) == {}
    assert withdrawn(after, [], now=at(7)).is_empty()


def test_a_withdrawn_order_that_is_asked_for_again_is_planned_anew():
    one = job()
    again = orders([one], at(7), orders([], at(5.5), orders([one], at(5))))
    assert of_plan(again, at(7)) == {one.work_order_id: "proposed"}
    assert standing_slots(again, now=at(8)) == {one.work_order_id: Slot("anna", at(8), at(10))}


def test_withdrawing_again_at_the_same_moment_says_the_same():
    first = orders([job()], at(5))
    once = withdrawn(first, [], now=at(5.5))
    after = orders([], at(5.5), first)
    assert withdrawn(after, [], now=at(5.5)).equals(once)


def test_the_moment_may_be_of_another_time_zone():
    first, here = orders([job()], at(5)), timezone(timedelta(hours=9))
    assert withdrawn(first, [], now=at(5.5).astimezone(here)).equals(withdrawn(first, [], now=at(5.5)))
    assert standing_slots(first, now=at(5.5).astimezone(here)) == standing_slots(first, now=at(5.5))


@given(st.lists(st.sets(st.integers(1, 4)), min_size=2, max_size=4))
@settings(max_examples=12, deadline=None)
def test_from_plan_to_plan_no_order_is_lost_and_none_is_withdrawn_twice(asked_by_hour):
    history, open_orders = empty(WORK_ORDERS), set()
    for hour, asked in enumerate(asked_by_hour):
        jobs = [job(machine=f"pump-{n}", skill="crane" if n == 4 else "mechanical") for n in sorted(asked)]
        history = orders(jobs, at(hour), history)
        told, ids = of_plan(history, at(hour)), {one.work_order_id for one in jobs}
        gone = {order for order, status in told.items() if status == "withdrawn"}
        event(f"{len(gone)} withdrawn")
        assert gone == open_orders - ids
        assert set(told) - gone == ids
        placed = {order for order, status in told.items() if status == "proposed"}
        assert set(standing_slots(history, now=at(hour + 0.5))) == placed
        open_orders = ids
