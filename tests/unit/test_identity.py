"""Ids that people refer to: the same thing has the same name, another thing another."""

import re
from datetime import UTC, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.contracts.contract import ID
from pipelines.identity import stable_id

AT = datetime(2026, 1, 5, 6, tzinfo=UTC)
NAMES = st.text("ab.-", min_size=1, max_size=3)


@given(st.lists(NAMES, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=3))
def test_ids_are_equal_exactly_where_their_parts_are(one, other):
    assert (stable_id("alarm", *one) == stable_id("alarm", *other)) == (one == other)
    assert stable_id("alarm", *one) == stable_id("alarm", *one)


@given(NAMES)
def test_an_id_keeps_the_pattern_of_the_contracts(name):
    assert re.fullmatch(ID, stable_id("work", name, AT))


def test_an_id_is_the_same_in_every_process_and_version():
    assert stable_id("alarm", "plant.pump-1", "anomaly", AT) == "alarm-11606bfd2f13e439"


def test_the_kind_is_told_before_the_dash_and_the_moment_counts():
    assert stable_id("verdict", "a") != stable_id("alarm", "a")
    assert stable_id("alarm", AT) != stable_id("alarm", AT.replace(microsecond=1))


def test_a_moment_out_of_a_table_names_the_same_thing_as_one_of_the_standard_library():
    read = pl.Series([AT], dtype=pl.Datetime("us", "UTC"))[0]
    assert stable_id("alarm", read) == stable_id("alarm", AT)
