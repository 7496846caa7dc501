"""The incidents in the graph: what a new alarm is like is told with its verdict, and the index follows the lake."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from homes import START, Plant, telemetry

from resources.incident_index import IncidentIndex

HOUR = timedelta(hours=1)


def index(plant: Plant) -> IncidentIndex:
    return IncidentIndex(root=str(plant.home.incidents))


def two_pumps(hours: range, *, ramps: Mapping[str, int]) -> pl.DataFrame:
    """Readings of two pumps in some hours; the temperature of each climbs from its hour on."""
    frames = [
        telemetry(hours.stop, ramp_from=ramps.get(name)).with_columns(machine_id=pl.lit(name))
        for name in ("pump-1", "pump-2")
    ]
    return pl.concat(frames).filter(pl.col("recorded_at") >= START + hours.start * HOUR)


def land(plant: Plant, frame: pl.DataFrame, name: str) -> list[Mapping[str, Any]]:
    """What the verdicts say of their nearest incidents after a file."""
    plant.materialize(files=[plant.drop(frame, name)])
    event = plant.instance.get_latest_materialization_event(dg.AssetKey("verdicts"))
    assert event is not None
    assert event.asset_materialization is not None
    told = event.asset_materialization.metadata.get("nearest_incidents")
    return [] if told is None else [record.data for record in told.records]


def plan(plant: Plant) -> dict[str, Any]:
    ran = plant.runner.run("plan")
    assert not ran.failures
    return {name: ran.assets["incidents"][name] for name in ("upserted", "removed", "made_anew")}


def test_a_verdict_names_the_nearest_past_incident_of_another_machine_with_the_same_fault(plant):
    assert land(plant, two_pumps(range(80), ramps={"pump-1": 60}), "a.parquet") == []
    assert plan(plant) == {"upserted": 1, "removed": 0, "made_anew": True}
    before = index(plant).read().row(0, named=True)

    (told,) = land(plant, two_pumps(range(80, 100), ramps={"pump-1": 60, "pump-2": 84}), "b.parquet")
    assert (told["machine"], told["of machine"], told["looks like"]) == (
        "line.pump-2",
        "line.pump-1",
        before["alarm_id"],
    )
    assert told["similarity"] > 0.9
    assert told["which was"] == "anomaly: temperature_c high"
    assert told["outcome"] == "not recorded"
    assert land(plant, two_pumps(range(100, 101), ramps={"pump-1": 60, "pump-2": 84}), "c.parquet") == []  # told once

    plan(plant)
    assert sorted(index(plant).read()["machine_id"]) == ["line.pump-1", "line.pump-2"]
    assert plan(plant) == {"upserted": 0, "removed": 0, "made_anew": False}


def test_a_broken_index_costs_no_verdict_and_the_next_plan_makes_it_anew(plant, caplog):
    land(plant, two_pumps(range(80), ramps={"pump-1": 60}), "a.parquet")
    plan(plant)
    before = index(plant).read()
    for file in Path(index(plant).root).glob("*/incidents.lance/data/*"):
        file.write_bytes(b"broken")
    with caplog.at_level(logging.WARNING):
        assert land(plant, two_pumps(range(80, 100), ramps={"pump-1": 60, "pump-2": 84}), "b.parquet") == []
    assert plant.lake.count("verdicts") == 2
    assert plan(plant)["made_anew"]
    after = index(plant).read()
    assert after["alarm_id"].to_list() == sorted(plant.lake.read("alarms")["alarm_id"])
    assert set(before["alarm_id"]) < set(after["alarm_id"])


def test_an_index_kept_up_to_date_is_the_one_that_is_made_anew(plant):
    """Late readings move the start of an episode, and with it its alarm."""
    whole = two_pumps(range(110), ramps={"pump-1": 60, "pump-2": 84})
    late = (pl.col("machine_id") == "pump-1") & pl.col("recorded_at").is_between(START + 62 * HOUR, START + 75 * HOUR)
    for name, piece in (("a", ~late & (pl.col("recorded_at") < START + 90 * HOUR)), ("b", late)):
        land(plant, whole.filter(piece), f"{name}.parquet")
        told = plan(plant)
    assert told["removed"] == 1
    land(plant, whole.filter(~late & (pl.col("recorded_at") >= START + 90 * HOUR)), "c.parquet")
    plant.home.machines.write_text('[[machines]]\nid = "line.pump-2"\nclass = "fan"\ncriticality = "low"\n')
    plant.materialize()
    assert not plan(plant)["made_anew"]
    kept = index(plant).read()
    assert "fan anomaly: temperature_c high" in kept["summary"].to_list()
    index(plant).forget()
    assert plan(plant)["made_anew"]
    assert index(plant).read().equals(kept)
