"""The machine register: what is read from it, and that every mistake is refused with its entry and its key."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from pipelines.contracts.enforce import conform
from pipelines.contracts.machines import MACHINES
from pipelines.register import FailureMode, Machine, RegisterError, RunningRule, Source, parse_register

PLANT = """
[sources.plant]
importer = "readings"
window = "1h"
healthy = [2026-01-05T00:00:00Z, 2026-01-12T00:00:00Z]
"""
PUMP = """
[[machines]]
id = "plant.pump-1"
class = "pump"
site = "north"
criticality = "high"
running = { sensor = "speed_rpm", above = 700 }
nominal = { vibration_mm_s = [0.5, 4.5] }
failures = [{ mode = "wear", sensor = "vibration_mm_s", threshold = 7.1, skill = "electrical", repair_hours = 6 }]
"""
WEAR = '{ mode = "wear", sensor = "v", threshold = 7 }'
BARE = '[[machines]]\nid = "plant.pump-2"\n'


def failing(**changes: str) -> str:
    said = {"mode": '"wear"', "sensor": '"v"', "threshold": "7"} | changes
    return BARE + f"failures = [{{ {', '.join(f'{key} = {value}' for key, value in said.items() if value)} }}]"


def test_a_machine_is_read_as_written():
    assert parse_register(PLANT + PUMP).machines == {
        "plant.pump-1": Machine(
            machine_id="plant.pump-1",
            machine_class="pump",
            site="north",
            criticality="high",
            running=RunningRule("speed_rpm", 700.0),
            nominal={"vibration_mm_s": (0.5, 4.5)},
            failures=(FailureMode("wear", "vibration_mm_s", 7.1, None, "electrical", 6.0),),
        )
    }


def test_what_is_not_declared_has_its_default():
    register = parse_register("[sources.plant]\n" + BARE)
    assert register.source("plant") == Source("plant", importer="readings", window="10m", healthy=None)
    assert register.source("elsewhere") == Source("elsewhere", importer="readings", window="10m", healthy=None)
    assert register.machines["plant.pump-2"] == Machine("plant.pump-2", criticality="medium")


def test_nothing_declared_is_a_register_too():
    assert parse_register("").machines == {}


def test_the_version_changes_with_any_character():
    assert parse_register(PLANT).version == parse_register(PLANT).version != parse_register(PLANT + "#").version


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[machines]", "not readable as TOML"),
        ("machine = 1", "the top level: unknown machine; known are machines, sources"),
        ("sources = 3", "the top level: sources is 3; expected a table"),
        ("machines = 3", "the top level: machines is 3; expected a list"),
        ("[sources]\nplant = 3", "sources.plant: found 3; expected a table with healthy, importer, table, window"),
        ('[sources."Plant A"]', "sources.Plant A: found 'Plant A'; expected a name"),
        (
            "[sources.plant]\ninterval = 1",
            "sources.plant: unknown interval; known are healthy, importer, table, window",
        ),
        ('[sources.plant]\nwindow = "7m"', "sources.plant: window is '7m'; expected one of 1m, 5m"),
        ("machines = [3]", "machine 1: found 3; expected a table"),
        (BARE + "[[machines]]\nclass = 'pump'", "machine 2: id is None; expected text like"),
        ('[[machines]]\nid = "pump"', "machine 1: id is 'pump'; expected text like"),
        ('[[machines]]\nid = "plant."', "machine 1: id is 'plant.'; expected text like"),
        ('[[machines]]\nid = "plant.a b"', "machine 1: id is 'plant.a b'; expected text like"),
        ('[[machines]]\nid = "Plant.a"', "machine 1: id is 'Plant.a'; expected text like"),
        (BARE + BARE, "machine 2: 'plant.pump-2' is declared twice"),
        (BARE + "colour = 1\nage = 2", "machine 1: unknown age, colour; known are bearing, class,"),
        (BARE + "class = 3", "machine 'plant.pump-2', class: found 3; expected a name"),
        (BARE + 'site = "hall 3"', "machine 'plant.pump-2', site: found 'hall 3'; expected a name"),
        (BARE + 'criticality = "huge"', "machine 'plant.pump-2': criticality is 'huge'; expected one of low, medium"),
        (BARE + 'running = "speed"', "machine 'plant.pump-2': running is 'speed'; expected { sensor ="),
        (BARE + 'running = { sensor = "a" }', "machine 'plant.pump-2': running is {'sensor': 'a'}; expected"),
        (BARE + "running = { sensor = 1, above = 1 }", "machine 'plant.pump-2', running sensor: found 1; expected"),
        (
            BARE + 'running = { sensor = "a", above = inf }',
            "'plant.pump-2', running above: found inf; expected a number",
        ),
        (
            BARE + 'running = { sensor = "a", above = true }',
            "'plant.pump-2', running above: found True; expected a numb",
        ),
        (BARE + "nominal = 3", "machine 'plant.pump-2': nominal is 3; expected a table"),
        (BARE + "nominal = { v = 3 }", "machine 'plant.pump-2', nominal v: found 3; expected [low, high]"),
        (BARE + "nominal = { v = [3, 1] }", "machine 'plant.pump-2', nominal v: low 3.0 is not below high 1.0"),
        (BARE + "nominal = { v = [1, nan] }", "machine 'plant.pump-2', nominal v: found nan; expected a number"),
        (BARE + "failures = 3", "machine 'plant.pump-2': failures is 3; expected a list"),
        (BARE + "failures = [3]", "machine 'plant.pump-2', failure 1: found 3; expected a table with direction, mode"),
        (failing(colour="1"), "machine 'plant.pump-2', failure 1: unknown colour; known are direction, mode"),
        (failing(mode=""), "machine 'plant.pump-2', failure 1: mode is missing; expected mode, sensor and threshold"),
        (failing(threshold=""), "machine 'plant.pump-2', failure 1: threshold is missing"),
        (failing(threshold='"7"'), "machine 'plant.pump-2', failure 1, threshold: found '7'; expected a number"),
        (failing(direction='"up"'), "machine 'plant.pump-2', failure 1: direction is 'up'; expected above or below"),
        (failing(mode='"a b"'), "machine 'plant.pump-2', failure 1, mode: found 'a b'; expected a name"),
        (failing(skill="3"), "machine 'plant.pump-2', failure 1, skill: found 3; expected a name"),
        (failing(repair_hours="0"), "machine 'plant.pump-2', failure 1: repair_hours is 0.0; expected more than 0"),
        (f"{BARE}failures = [{WEAR}, {WEAR}]", "machine 'plant.pump-2': failure mode 'wear' is declared twice"),
    ],
)
def test_a_mistake_is_refused_with_its_entry_and_its_key(text, told):
    with pytest.raises(RegisterError) as refusal:
        parse_register(text)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        ('{ sensor = "v", above = 7 }', RunningRule("v", 7.0)),
        ('{ sensor = "v", above = 7, idle_above = -1 }', RunningRule("v", 7.0, -1.0)),
        ('{ sensor = "v", above = 7, startup = "15m" }', RunningRule("v", 7.0, None, timedelta(minutes=15))),
        ('{ sensor = "v", above = 7, startup = "90s", learn = false }', RunningRule("v", 7.0, None, timedelta(0, 90))),
        ('{ sensor = "v", learn = true, startup = "24h" }', RunningRule("v", None, None, timedelta(days=1))),
    ],
)
def test_the_levels_of_a_machine_are_declared_or_learned(rule, read):
    register = parse_register(f"{BARE}running = {rule}")
    assert register.machines["plant.pump-2"].running == read
    row = conform(register.machines_frame("plant"), MACHINES).row(0, named=True)
    assert (row["running_sensor"], row["running_above"], row["idle_above"]) == ("v", read.above, read.idle_above)
    assert row["startup_s"] == read.startup.total_seconds()


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ('{ sensor = "v", learn = false }', "running is {'sensor': 'v', 'learn': False}; expected"),
        ('{ sensor = "v", learn = 3 }', "expected { sensor ="),
        ('{ sensor = "v", learn = [] }', "expected { sensor ="),
        ('{ sensor = "v", above = 7, learn = true }', "running: above beside learn = true; expected one or the other"),
        ('{ sensor = "v", above = 7, idle_above = 7 }', "running: idle_above 7.0 is not below above 7.0"),
        ('{ sensor = "v", above = 7, idle_above = true }', "running idle_above: found True; expected a number"),
        ('{ sensor = "v", above = 7, pace = 3 }', "running: unknown pace; known are above, idle_above, learn"),
        ('{ sensor = "v", above = 7, startup = 15 }', "running startup: found 15; expected a length of at most a day"),
        ('{ sensor = "v", above = 7, startup = "15" }', "running startup: found '15'; expected"),
        ('{ sensor = "v", above = 7, startup = "25h" }', "running startup: found '25h'; expected"),
    ],
)
def test_a_mistake_in_the_rule_of_the_levels_is_refused(rule, told):
    with pytest.raises(RegisterError) as refusal:
        parse_register(f"{BARE}running = {rule}")
    assert "machine 'plant.pump-2'" in str(refusal.value)
    assert told in str(refusal.value)


@pytest.mark.parametrize("entry", [BARE, "[sources.plant]\n"], ids=["machine", "source"])
@pytest.mark.parametrize(
    ("span", "told"),
    [
        ("3", "healthy is 3; expected [from, until]"),
        ("[2026-01-05T00:00:00Z]", "expected [from, until]"),
        ("[2026-01-05, 2026-01-06]", "expected [from, until] as times with a zone"),
        ("[2026-01-05T00:00:00, 2026-01-06T00:00:00]", "expected [from, until] as times with a zone"),
        ("[2026-01-06T00:00:00Z, 2026-01-05T00:00:00Z]", "healthy ends at 2026-01-05 00:00:00+00:00 before it begins"),
        ("[2026-01-05T01:00:00+01:00, 2026-01-05T00:00:00Z]", "before it begins"),
    ],
)
def test_a_healthy_span_is_two_moments_in_order(entry, span, told):
    with pytest.raises(RegisterError) as refusal:
        parse_register(f"{entry}healthy = {span}")
    assert told in str(refusal.value)
    assert "plant" in str(refusal.value)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Etc/GMT+3"])
def test_a_source_may_declare_the_zone_of_its_clock(zone):
    assert parse_register(f'[sources.plant]\nzone = "{zone}"').source("plant").zone == zone


@pytest.mark.parametrize("zone", ['"Mars"', '"Europe"', '"../zone"', '"/etc/passwd"', '"localtime"', '""', "3", "[]"])
def test_a_zone_that_nobody_knows_is_refused(zone):
    with pytest.raises(
        RegisterError, match=r"^sources.plant: zone is .*; expected an IANA name such as .Europe/Berlin"
    ):
        parse_register(f"[sources.plant]\nzone = {zone}")


def test_a_healthy_span_in_another_zone_is_the_same_span():
    register = parse_register(BARE + "healthy = [2026-01-05T01:00:00+01:00, 2026-01-06T00:00:00Z]")
    assert register.machines["plant.pump-2"].healthy == (
        datetime(2026, 1, 5, tzinfo=UTC),
        datetime(2026, 1, 6, tzinfo=UTC),
    )


def test_a_machine_without_a_healthy_span_takes_that_of_its_source():
    own = BARE + "healthy = [2026-02-01T00:00:00Z, 2026-02-03T00:00:00Z]"
    frame = parse_register(PLANT + PUMP + own).machines_frame("plant")
    assert frame["healthy_until"].to_list() == [datetime(2026, 1, 12, tzinfo=UTC), datetime(2026, 2, 3, tzinfo=UTC)]


def test_the_table_holds_the_machines_of_one_source_in_order_and_those_observed_with_defaults():
    register = parse_register(PLANT + PUMP + BARE + '[[machines]]\nid = "plant2.fan"')
    frame = conform(register.machines_frame("plant", observed=["plant.a", "plant.pump-1"]), MACHINES)
    assert frame["machine_id"].to_list() == ["plant.a", "plant.pump-1", "plant.pump-2"]
    assert frame["criticality"].to_list() == ["medium", "high", "medium"]
    assert frame["failure_modes"].list.len().to_list() == [0, 1, 0]
    assert frame["register_version"].unique().to_list() == [register.version]


def test_a_register_that_knows_no_machine_still_makes_a_table():
    assert conform(parse_register("").machines_frame("plant"), MACHINES).is_empty()


WORDS = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)
NUMBERS = st.integers(-(2**50), 2**50) | st.floats() | st.booleans()
RULES = st.fixed_dictionaries(
    {"sensor": st.just('"v"')},
    optional={
        "above": NUMBERS.map(lambda n: str(n).lower()),
        "idle_above": NUMBERS.map(lambda n: str(n).lower()),
        "startup": st.sampled_from(['"15m"', '"0s"', '"99999h"', "3", '"m"']),
        "learn": st.sampled_from(["true", "false", "1"]),
    },
).map(lambda rule: "{ " + ", ".join(f"{key} = {value}" for key, value in rule.items()) + " }")
SCALARS = NUMBERS.map(lambda n: str(n).lower()) | (WORDS | st.text("aZ0 ./'", max_size=5)).map(lambda word: f'"{word}"')
ENTRIES = st.dictionaries(
    st.sampled_from(["class", "site", "criticality", "running", "nominal", "failures", "healthy", "window"]),
    SCALARS | RULES | st.lists(SCALARS, max_size=3).map(lambda words: f"[{', '.join(words)}]"),
    max_size=3,
)


@given(WORDS | st.text("aZ0 ./'", max_size=5), ENTRIES)
@settings(max_examples=150)
def test_whatever_is_written_is_refused_or_makes_a_table_that_keeps_its_contract(name, entry):
    said = "".join(f"{key} = {value}\n" for key, value in entry.items())
    try:
        register = parse_register(f'[[machines]]\nid = "plant.{name}"\n{said}')
    except RegisterError as error:
        event("refused")
        assert "machine" in str(error)
    else:
        event("read")
        assert conform(register.machines_frame("plant"), MACHINES)["machine_id"].to_list() == [f"plant.{name}"]
