"""An incident: one row an episode, in words that people look for, with what became of it as far as is known."""

import polars as pl
from unit.tables import DAY, HOUR, MONDAY, table

from pipelines.contracts.enforce import empty
from pipelines.contracts.registry import CONTRACTS
from pipelines.incidents.concerned import concerned
from pipelines.incidents.incident import INCIDENT, incidents, order_id

ONE, TWO = "alarm-0000000000000001", "alarm-0000000000000002"
ALARM = {"machine_id": "plant.pump-1", "started_at": MONDAY}
ORDER = order_id(ALARM, "bearing_wear")


def made(alarms: pl.DataFrame | None = None, **tables: pl.DataFrame) -> list[dict]:
    given = {name: empty(CONTRACTS[name]) for name in ("verdicts", "work_orders")}
    given |= {name: table(name) for name in ("baselines", "machines")}
    given["window_features"] = table("window_features", mean=3.0, max=3.0)
    given |= tables
    names = ("window_features", "baselines", "machines", "verdicts", "work_orders")
    rows = incidents(table("alarms") if alarms is None else alarms, *(given[name] for name in names))
    assert rows.schema == INCIDENT
    return rows.to_dicts()


def test_an_episode_is_told_by_class_kind_and_the_sensors_that_were_clearly_off():
    (row,) = made()
    assert row["summary"] == "pump anomaly: vibration_mm_s high"
    assert row["text"] == "pump anomaly: vibration_mm_s high. plant.pump-1"
    assert (row["verdict"], row["work_order"], row["outcome"]) == (None, None, None)


def test_where_no_level_was_clearly_off_and_for_a_defect_the_sensor_that_led_is_named():
    assert made(window_features=table("window_features"))[0]["summary"] == "pump anomaly: vibration_mm_s"
    (row,) = made(table("alarms", kind="silent", top_sensor="flow_m3_h"), machines=empty(CONTRACTS["machines"]))
    assert row["summary"] == "silent: flow_m3_h"
    assert row["machine_class"] is None


def test_what_became_of_it_is_the_verdict_and_the_newest_word_of_a_plan_on_its_work_order():
    plans = [
        {"work_order_id": ORDER, "planned_at": MONDAY + DAY, "status": "withdrawn"},
        {"work_order_id": ORDER, "planned_at": MONDAY, "status": "proposed"},
        {"work_order_id": "order-00000000000000ff", "planned_at": MONDAY + 2 * DAY, "status": "unplaced"},
    ]
    (row,) = made(verdicts=table("verdicts"), work_orders=table("work_orders", plans))
    assert (row["verdict"], row["work_order"], row["failure_mode"]) == ("credible", "withdrawn", "bearing_wear")
    assert row["text"].startswith("pump anomaly: vibration_mm_s high. credible. data is complete: yes. bearing_wear")


def alarms() -> pl.DataFrame:
    return table("alarms", [{}, {"alarm_id": TWO, "machine_id": "plant.fan-1", "started_at": MONDAY + DAY}])


def test_without_news_no_incident_is_made_anew():
    assert concerned(alarms(), {name: pl.DataFrame() for name in ("alarms", "window_features")}, []) == set()


def test_alarms_that_came_or_went_and_those_judged_are_concerned():
    news = {"alarms": table("alarms", alarm_id="alarm-00000000000000aa"), "verdicts": table("verdicts", alarm_id=TWO)}
    assert concerned(alarms(), news, []) == {"alarm-00000000000000aa", TWO}


def test_a_window_concerns_the_episodes_of_its_machine_whose_first_days_it_lies_in():
    inside, outside = (
        {"window_features": table("window_features", recorded_at=MONDAY + hours * HOUR)} for hours in (9, 10)
    )
    assert concerned(alarms(), inside, []) == {ONE}
    assert concerned(alarms(), outside, []) == set()


def test_a_work_order_concerns_the_episode_it_follows_from_and_a_machine_all_of_its_own():
    assert concerned(alarms(), {"work_orders": table("work_orders", work_order_id=ORDER)}, []) == {ONE}
    assert concerned(alarms(), {"work_orders": table("work_orders")}, []) == set()
    assert concerned(alarms(), {}, ["plant.fan-1"]) == {TWO}
