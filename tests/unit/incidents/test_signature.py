"""The signature of an episode: like faults point the same way, whatever the machine; unlike ones do not."""

import numpy as np
import polars as pl
import pytest
from unit.tables import HOUR, MONDAY, table

from pipelines.incidents.signature import AGE, LENGTH, deviations, signatures

ALARM = "alarm-0000000000000001"


def features(
    means: dict[str, float], *, hours: range = range(10), machine: str = "plant.pump-1", **every
) -> pl.DataFrame:
    rows = [
        {"sensor": sensor, "mean": mean, "min": mean, "max": mean, "recorded_at": MONDAY + hour * HOUR}
        for sensor, mean in means.items()
        for hour in hours
    ]
    return table("window_features", rows, machine_id=machine, **every)


def baseline(levels: dict[str, tuple[float, float]], *, machine: str = "plant.pump-1") -> pl.DataFrame:
    shares = {"present_share": 1.0, "still_share": 0.0}
    sensors = [{"sensor": name, "level": level, "spread": spread, **shares} for name, (level, spread) in levels.items()]
    return table("baselines", machine_id=machine, sensors=sensors)


def signature(means: dict[str, float], *, level: float = 0.0, spread: float = 1.0, **alarm) -> np.ndarray:
    """Of an episode in which sensors were so many healthy spreads off."""
    windows = features({sensor: level + z * spread for sensor, z in means.items()})
    healthy = baseline(dict.fromkeys(means, (level, spread)))
    alarms = table("alarms", **alarm)
    return signatures(alarms, deviations(alarms, windows, healthy))[0]


def test_a_deviation_is_told_in_healthy_spreads_of_the_sensor():
    found = deviations(
        table("alarms"),
        features({"vibration_mm_s": 2.5, "temperature_c": 40.0}),
        baseline({"vibration_mm_s": (2.0, 0.1), "temperature_c": (50.0, 2.0)}),
    )
    assert found.rows() == [(ALARM, "temperature_c", -5.0), (ALARM, "vibration_mm_s", 5.0)]


def test_only_running_windows_of_the_first_two_days_of_the_episode_count():
    early, late = features({"vibration_mm_s": 3.0}), features({"vibration_mm_s": 90.0}, hours=range(48, 60))
    stopped = features({"vibration_mm_s": 0.0}, hours=range(10, 20), state="off")
    before = features({"vibration_mm_s": 7.0}, hours=range(-5, 0))
    alarms = table("alarms", last_at=MONDAY + 60 * HOUR)
    assert AGE == 48 * HOUR
    found = deviations(alarms, pl.concat([early, late, stopped, before]), baseline({"vibration_mm_s": (2.0, 0.1)}))
    assert found["z"].to_list() == [10.0]


def test_a_sensor_that_stood_still_when_healthy_is_far_off_once_it_moves_and_one_without_reference_says_nothing():
    still = {"moved": (5.0, 0.0), "rests": (5.0, 0.0)}
    found = deviations(table("alarms"), features({"moved": 5.1, "rests": 5.0, "new": 3.0}), baseline(still))
    assert found.select("sensor", "z").rows() == [("moved", 1000.0), ("rests", 0.0)]


def test_a_signature_has_length_one_and_is_the_same_for_any_unit_of_the_sensor():
    one = signature({"vibration_mm_s": 8.0, "temperature_c": 4.0}, level=2.0, spread=0.1)
    other = signature({"vibration_mm_s": 8.0, "temperature_c": 4.0}, level=500.0, spread=30.0)
    assert one.shape == (LENGTH,)
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-6)
    assert one @ other == pytest.approx(1.0, abs=1e-6)


def test_the_same_fault_three_times_as_far_on_is_nearly_the_same_and_other_faults_are_not():
    wear = signature({"vibration_mm_s": 8.0, "temperature_c": 3.0, "current_a": 0.4})
    later = signature({"vibration_mm_s": 24.0, "temperature_c": 9.0, "current_a": -0.7})
    leak = signature({"pressure_bar": -6.0, "flow_m3_h": -4.0})
    opposite = signature({"pressure_bar": 6.0, "flow_m3_h": 4.0})
    assert wear @ later > 0.95
    assert abs(wear @ leak) < 0.35
    assert leak @ opposite < -0.99


def test_a_sensor_ten_times_as_far_off_does_not_drown_the_others():
    assert signature({"a": 40.0, "b": 4.0}) @ signature({"b": 4.0}) > 0.3


def test_what_load_and_weather_do_counts_as_nothing_and_then_the_leading_sensor_does():
    alone = signature({"vibration_mm_s": 0.8, "temperature_c": -0.9}, top_sensor="temperature_c")
    same = signature({"temperature_c": 0.5}, top_sensor="temperature_c")
    other = signature({"temperature_c": 0.5}, top_sensor="vibration_mm_s")
    assert alone @ same == pytest.approx(1.0, abs=1e-6)
    assert abs(alone @ other) < 0.35


def test_a_defect_of_the_data_is_like_the_same_defect_of_that_sensor_then_of_another_and_unlike_an_anomaly():
    stuck = signature({"temperature_c": 9.0}, kind="stuck", top_sensor="temperature_c")
    same = signature({"vibration_mm_s": 1.0}, kind="stuck", top_sensor="temperature_c")
    another = signature({}, kind="stuck", top_sensor="current_a")
    assert stuck @ same == pytest.approx(1.0, abs=1e-6)
    assert 0.3 < stuck @ another < 0.7
    assert abs(stuck @ signature({"temperature_c": 9.0})) < 0.35


def test_rows_in_another_order_give_the_same_bits():
    windows = pl.concat([features({"a": 1.1, "b": 2.3}), features({"a": 4.7, "b": 9.9}, hours=range(10, 13))])
    alarms, healthy = table("alarms", last_at=MONDAY + 20 * HOUR), baseline({"a": (0.1, 0.3), "b": (0.2, 0.7)})
    once, again = (deviations(alarms, frame, healthy) for frame in (windows, windows.reverse()))
    assert once.rows() == again.rows()
    assert signatures(alarms, once).tobytes() == signatures(alarms, again).tobytes()
