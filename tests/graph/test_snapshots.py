"""Snapshots through the graph: whatever their order, their features and windows end the same, and follow what is declared."""

from collections.abc import Sequence

import dagster as dg
import polars as pl
import pytest
from homes import Plant
from snapshot_files import femto_acceleration, packed

from pipelines.contracts.registry import CONTRACTS
from pipelines.register import Source
from resources.register import RegisterFile

FILES = [(bearing, number) for bearing in ("1_1", "2_1") for number in (1, 2)]
FOLLOWING = ("vibration_features", "sound_features", "window_features", "anomaly_scores")
ONE_BY_ONE = [[file] for file in FILES]


def member(bearing: str, number: int, *, seed: int | None = None) -> tuple[str, bytes]:
    data, _ = femto_acceleration((9, 40, 10 * number, "500"), seed=number if seed is None else seed)
    return f"Bearing{bearing}/acc_{number:05}.csv", data


class Rig(Plant):
    """A home whose source sends archives of FEMTO's layout."""

    def __init__(self, root, instance: dg.DagsterInstance) -> None:
        super().__init__(root, instance)
        register = RegisterFile(machines=str(self.home.machines), crew=str(self.home.crew))
        register.declare_source(Source("rig", "femto"))

    def send(self, *members: tuple[str, bytes]) -> None:
        path = packed(self.home.root.parent / "life.zip", dict(members))
        self.materialize(files=[self.inbox.put(path, source="rig")], source="rig")

    def tables(self) -> dict[str, pl.DataFrame]:
        found = {}
        for table in FOLLOWING:
            contract = CONTRACTS[table]
            lineage = [name for name, told in contract.columns.items() if told.metadata["lineage"]]
            found[table] = self.lake.read(table).drop(lineage).sort(contract.metadata["key"])
        return found


@pytest.fixture
def rig(tmp_path):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Rig(tmp_path / "home", instance)


@pytest.fixture(scope="module")
def at_once(tmp_path_factory) -> dict[str, pl.DataFrame]:
    with dg.DagsterInstance.ephemeral() as instance:
        rig = Rig(tmp_path_factory.mktemp("once") / "home", instance)
        rig.send(*(member(*file) for file in FILES))
        return rig.tables()


def test_every_channel_is_described_and_followed_in_its_window(at_once):
    features, windows = at_once["vibration_features"], at_once["window_features"]
    assert features.height == len(FILES) * 2
    assert at_once["sound_features"].is_empty()
    rms = windows.filter(sensor="horizontal_g.rms", machine_id="rig.Bearing1_1")
    told = features.filter(sensor="horizontal_g", machine_id="rig.Bearing1_1")["rms"]
    assert (rms["n"].item(), rms["mean"].item()) == (2, pytest.approx(told.mean()))


@pytest.mark.parametrize("deliveries", [ONE_BY_ONE[::-1], [FILES[1:3], FILES[:2], FILES[3:]]])
def test_in_any_order_and_cut_anyhow_they_end_in_the_same_tables(rig, at_once, deliveries: Sequence):
    for files in deliveries:
        rig.send(*(member(*file) for file in files))
    assert {name: rows.equals(at_once[name]) for name, rows in rig.tables().items()} == dict.fromkeys(FOLLOWING, True)


def test_a_corrected_snapshot_revises_what_follows_from_it_and_nothing_else(rig, at_once):
    rig.send(*(member(*file) for file in FILES))
    rig.send(member("1_1", 2, seed=99))
    now = rig.tables()["vibration_features"]
    differs = now.select("machine_id", "recorded_at").filter(now["rms"] != at_once["vibration_features"]["rms"])
    assert differs.n_unique() == 1
    rig.send(member("1_1", 2))
    assert rig.tables()["vibration_features"].equals(at_once["vibration_features"])


def test_a_machine_that_sent_snapshots_alone_is_in_the_register_table_with_what_is_declared_of_it(rig):
    rig.send(*(member(*file) for file in FILES))
    before = rig.lake.read("vibration_features").sort("machine_id", "sensor", "recorded_at")
    with rig.home.machines.open("a") as register:
        register.write('[[machines]]\nid = "rig.Bearing1_1"\niso_class = "group2-rigid"\n')
    rig.materialize(source="rig")
    after = rig.lake.read("vibration_features").sort("machine_id", "sensor", "recorded_at")
    assert after.drop("run_id").equals(before.drop("run_id"))  # too short for a velocity: nothing new to say
    assert rig.lake.read("machines").filter(machine_id="rig.Bearing1_1")["iso_class"].item() == "group2-rigid"
    assert rig.lake.read("machines")["machine_id"].sort().to_list() == ["rig.Bearing1_1", "rig.Bearing2_1"]


def test_a_machine_that_sends_snapshots_alone_has_states_by_a_number_that_is_followed(rig):
    with rig.home.machines.open("a") as register:
        register.write(
            '[[machines]]\nid = "rig.Bearing1_1"\nrunning = { sensor = "horizontal_g.rms", above = 100.0 }\n'
        )
    rig.send(*(member(*file) for file in FILES))
    states = rig.lake.read("operating_states").select("machine_id", "state").sort("machine_id")
    assert states.rows() == [("rig.Bearing1_1", "off"), ("rig.Bearing2_1", "unknown")]
    assert set(rig.lake.read("window_features").filter(machine_id="rig.Bearing1_1")["state"]) == {"off"}
