"""Whatever the order and the cutting in which readings arrive, the features are the same."""

from itertools import pairwise

import dagster as dg
import polars as pl
from homes import Plant, telemetry
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.contracts.enforce import lineage_columns
from pipelines.contracts.registry import CONTRACTS

WHOLE = telemetry(8)


def features(plant: Plant) -> pl.DataFrame:
    rows = plant.lake.read("window_features").drop(lineage_columns(CONTRACTS["window_features"]))
    return rows.sort("machine_id", "sensor", "recorded_at")


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[pl.DataFrame]]:
    """The readings shuffled, cut into files, some sent twice, and the files handed to a few runs."""
    order = draw(st.permutations(range(0, WHOLE.height, 12)))
    pieces = [WHOLE.slice(start, 12) for start in order]
    cuts = sorted(draw(st.sets(st.integers(1, len(pieces) - 1), max_size=5)))
    files = [pl.concat(pieces[a:b]) for a, b in zip([0, *cuts], [*cuts, len(pieces)], strict=True)]
    files += draw(st.lists(st.sampled_from(files), max_size=2))
    stops = sorted(draw(st.sets(st.integers(1, len(files)), max_size=2)) | {0, len(files)})
    return [files[a:b] for a, b in pairwise(stops)]


@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(deliveries())
def test_any_order_and_any_cutting_ends_in_the_same_window_features(tmp_path_factory, runs):
    def fresh() -> Plant:
        return Plant(tmp_path_factory.mktemp("home"), dg.DagsterInstance.ephemeral())

    at_once, piecewise = fresh(), fresh()
    select = ("readings", "labels", "machines", "window_features")
    at_once.materialize(*select, files=[at_once.drop(WHOLE, "whole.parquet")])
    for number, files in enumerate(runs):
        dropped = [piecewise.drop(frame, f"{number}-{place}.parquet") for place, frame in enumerate(files)]
        piecewise.materialize(*select, files=dropped)
    assert features(piecewise).equals(features(at_once))
    assert piecewise.lake.count("readings") == WHOLE.height
