"""The simulated plant: the same seed is the same plant, and its truth is what its readings show."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from pipelines.contracts.vocabulary import unit_of
from pipelines.register import parse_register
from pipelines.simulation.faults import FAULTS
from pipelines.simulation.plant import CLASSES, FLEET, LIMITS, SITES, Limit, Plant, Sensor, register_text, simulate

DAYS = 30


@pytest.fixture(scope="module")
def plant() -> Plant:
    return simulate(seed=1, days=DAYS)


@pytest.fixture(scope="module")
def daily_means(plant) -> pl.DataFrame:
    """Mean of every sensor of every running machine by day."""
    running = plant.readings.filter((pl.col("sensor") == "speed_rpm") & (pl.col("value") > 700))
    return (
        plant.readings.join(running, on=["machine_id", "recorded_at"], how="semi")
        .group_by("machine_id", "sensor", day=(pl.col("recorded_at") - plant.start).dt.total_days())
        .agg(pl.col("value").mean())
    )


def test_the_same_seed_is_the_same_plant_and_another_seed_another():
    one, same, other = (simulate(seed=seed, days=6) for seed in (3, 3, 4))
    assert one.readings.equals(same.readings)
    assert one.truth.equals(same.truth)
    assert one.fails_at == same.fails_at
    assert not one.readings.equals(other.readings)


def test_every_sensor_of_the_fleet_speaks_every_ten_minutes(plant):
    sensors = sum(len(CLASSES[machine_class]) for machine_class in FLEET)
    assert list(plant.machines.values()) == list(FLEET)
    assert plant.readings.height == sensors * DAYS * 144
    assert plant.readings.select("machine_id", "sensor", "recorded_at").is_duplicated().sum() == 0
    assert plant.readings["recorded_at"].is_sorted()
    assert plant.readings["value"].is_finite().all()


def test_the_days_are_the_readings_cut_at_midnight(plant):
    assert plant.day(0)["recorded_at"].min() == plant.start
    assert plant.day(DAYS - 1)["recorded_at"].max() == plant.start + timedelta(days=DAYS, minutes=-10)
    assert sum(plant.day(number).height for number in range(DAYS)) == plant.readings.height


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_five_machines_have_a_fault_each_of_another_kind_and_two_of_them_fail(seed):
    drawn = simulate(seed=seed, days=1)
    assert sorted(fault.kind for fault in drawn.faults.values()) == sorted(fault.kind for fault in FAULTS)
    assert len(drawn.faults) == 5
    assert {drawn.faults[name].fails_as for name in drawn.fails_at} == {"bearing_wear", "overheating"}


def test_one_machine_fails_before_the_last_day_and_one_after_it(plant):
    end = plant.start + timedelta(days=DAYS)
    assert [at < end for at in sorted(plant.fails_at.values())] == [True, False]


def test_the_truth_is_what_people_know_on_the_last_day(plant):
    end = plant.start + timedelta(days=DAYS)
    failed = {name: at for name, at in plant.fails_at.items() if at < end}
    faults = plant.truth.filter(pl.col("kind") == "fault")
    assert dict(faults.select("machine_id", "ended_at").rows()) == {name: failed.get(name) for name in plant.faults}
    assert dict(plant.truth.filter(pl.col("kind") == "failure").select("machine_id", "started_at").rows()) == failed


def test_a_failed_machine_stands_still(plant):
    name, at = min(plant.fails_at.items(), key=lambda item: item[1])
    speed = plant.readings.filter((pl.col("machine_id") == name) & (pl.col("sensor") == "speed_rpm"))
    assert speed.filter(pl.col("recorded_at") >= at)["value"].max() < 700
    assert speed.filter(pl.col("recorded_at") < at)["value"].max() > 700


def test_only_failing_machines_reach_a_declared_threshold(plant):
    """Of the two that fail one does so after the last day: its readings go most of the way."""
    failing = {(name, plant.faults[name].fails_as) for name in plant.fails_at}
    gone = {
        (name, limit.failure_mode): way_gone(plant, name, CLASSES[plant.machines[name]][limit.sensor], limit)
        for name in plant.machines
        for limit in LIMITS
    }
    assert min(gone[pair] for pair in failing) > 0.6
    assert max(way for pair, way in gone.items() if pair not in failing) < 0.6


def way_gone(plant: Plant, machine: str, sensor: Sensor, limit: Limit) -> float:
    """Share of the way from the running level to the threshold at the highest reading."""
    own = plant.readings.filter((pl.col("machine_id") == machine) & (pl.col("sensor") == limit.sensor))
    return (own["value"].max() - sensor.level) / (limit.sigmas * sensor.noise)


def test_before_its_onset_a_faulty_machine_reads_like_any_other(plant, daily_means):
    name = next(name for name, fault in plant.faults.items() if fault.kind == "misalignment")
    onset = plant.faults[name].onset_h / 24
    own = daily_means.filter((pl.col("machine_id") == name) & (pl.col("sensor") == "vibration_mm_s"))
    noise = CLASSES[plant.machines[name]]["vibration_mm_s"].noise
    before, after = (own.filter(rule)["value"] for rule in (pl.col("day") < int(onset), pl.col("day") > onset))
    assert after.mean() - before.mean() == pytest.approx(4.0 * noise, rel=0.3)


def test_a_stuck_sensor_says_the_same_from_its_onset_on(plant):
    name = next(name for name, fault in plant.faults.items() if fault.stuck)
    own = plant.readings.filter((pl.col("machine_id") == name) & (pl.col("sensor") == "temperature_c"))
    onset = plant.start + timedelta(hours=plant.faults[name].onset_h)
    assert own.filter(pl.col("recorded_at") > onset + timedelta(minutes=10))["value"].n_unique() == 1
    assert own.filter(pl.col("recorded_at") < onset)["value"].n_unique() > 100


def test_the_register_declares_every_machine_and_knows_no_fault(plant):
    register = parse_register(register_text(plant, source="plant"))
    assert list(register.machines) == [f"plant.{name}" for name in plant.machines]
    assert register.source("plant").window == "1h"
    assert register.source("plant").healthy == (plant.start, plant.start + timedelta(days=7))
    alike = {(m.machine_class, m.running, m.failures) for m in register.machines.values()}
    assert len(alike) == len(set(FLEET))
    assert {m.site for m in register.machines.values()} == set(SITES)


def test_the_declared_thresholds_lie_as_far_from_the_running_level_as_the_limits_say(plant):
    machine = parse_register(register_text(plant, source="plant")).machines["plant.pump-01"]
    assert {mode.failure_mode: mode.threshold for mode in machine.failures} == {
        "bearing_wear": pytest.approx(2.0 + 22 * 0.2),
        "overheating": pytest.approx(58.0 + 18 * 1.2),
    }
    assert machine.nominal["pressure_bar"] == pytest.approx((6.0 - 8 * 0.12, 6.0 + 8 * 0.12))


@pytest.mark.parametrize("machine_class", CLASSES)
def test_every_sensor_states_its_unit_and_lies_well_above_its_noise(machine_class):
    sensors = CLASSES[machine_class]
    assert [name for name in sensors if unit_of(name) is None] == []
    assert np.all([sensor.level >= 8 * sensor.noise for sensor in sensors.values()])
