"""The crew: what is read from its file, what is refused, and when each one is on shift."""

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.advisory.crew import CrewError, Technician, parse_crew, shifts

ANNA = """
[[technicians]]
id = "anna"
skills = ["mechanical", "vibration"]
days = ["mon", "tue", "wed", "thu", "fri"]
shift = ["06:00", "14:00"]
"""
NIGHT = """
[[technicians]]
id = "nils"
skills = ["electrical"]
days = ["sat", "sun"]
shift = ["22:00", "06:00"]
"""
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


def person(*days: int, shift_from: time = time(6), shift_until: time = time(14)) -> Technician:
    return Technician("anna", frozenset({"mechanical"}), frozenset(days), shift_from, shift_until)


def test_a_crew_is_read_as_written_and_in_the_order_of_the_file():
    assert parse_crew(NIGHT + ANNA) == (
        Technician("nils", frozenset({"electrical"}), frozenset({5, 6}), time(22), time(6)),
        Technician("anna", frozenset({"mechanical", "vibration"}), frozenset(range(5)), time(6), time(14)),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[technicians]", "crew: found text that is not TOML"),
        ("", "crew, key 'technicians': found nothing; expected one [[technicians]] entry or more"),
        ("technicians = []", "crew, key 'technicians': found []; expected one"),
        ('technicians = ["anna"]', "crew, key 'technicians': found ['anna']; expected one"),
        ("people = 1\n" + ANNA, "crew: found unknown key 'people'; expected technicians"),
        (ANNA + 'phone = "1"\nage = 3', "technicians entry 1: found unknown key 'age', 'phone'; expected id, skills"),
        (ANNA.replace('id = "anna"', ""), "technicians entry 1, key 'id': found nothing; expected a word"),
        (ANNA.replace('"anna"', "7"), "technicians entry 1, key 'id': found 7; expected a word"),
        (ANNA.replace('"anna"', '"anna b"'), "key 'id': found 'anna b'; expected a word of letters"),
        (ANNA.replace('"anna"', '"anna\\n"'), r"key 'id': found 'anna\n'; expected a word of letters"),
        (ANNA.replace('["mechanical", "vibration"]', "[]"), "entry 1 (anna), key 'skills': found []; expected a list"),
        (ANNA.replace('["mechanical", "vibration"]', '"all"'), "key 'skills': found 'all'; expected a list"),
        (ANNA.replace('"vibration"', "3"), "key 'skills': found ['mechanical', 3]; expected a list"),
        (ANNA.replace("vibration", "a b"), "entry 1 (anna), key 'skills': found 'a b'; expected a word"),
        (ANNA.replace("vibration", "mechanical"), "key 'skills': found ['mechanical', 'mechanical']; expected a list"),
        (ANNA.replace('"fri"', '"friday"'), "entry 1 (anna), key 'days': found 'friday'; expected one of mon, tue"),
        (ANNA.replace("days", "# days"), "entry 1 (anna), key 'days': found nothing; expected a list"),
        (ANNA.replace('"14:00"', '"24:00"'), "key 'shift': found ['06:00', '24:00']; expected a start and an end"),
        (ANNA.replace('"14:00"', '"14:00+02:00"'), "entry 1 (anna), key 'shift': found ['06:00', '14:00+02:00']"),
        (ANNA.replace('"06:00", ', ""), "key 'shift': found ['14:00']; expected a start and an end in UTC"),
        (ANNA.replace('"14:00"', "14"), "key 'shift': found ['06:00', 14]; expected a start and an end"),
        (ANNA.replace('["06:00", "14:00"]', '"06:00-14:00"'), "key 'shift': found '06:00-14:00'; expected"),
        (ANNA.replace("shift", "# shift"), "entry 1 (anna), key 'shift': found nothing; expected"),
        (ANNA + NIGHT + ANNA, "technicians entry 3, key 'id': found 'anna'; expected an id that no other entry has"),
    ],
)
def test_a_crew_that_cannot_be_read_is_refused_by_what_was_found_where_and_what_is_expected(text, told):
    with pytest.raises(CrewError) as refusal:
        parse_crew(text)
    assert told in str(refusal.value)


def test_a_shift_is_in_utc_and_only_on_the_days_it_is_said_to_be():
    assert shifts(person(0, 2), MONDAY, MONDAY + timedelta(days=7)) == [
        (datetime(2026, 3, 2, 6, tzinfo=UTC), datetime(2026, 3, 2, 14, tzinfo=UTC)),
        (datetime(2026, 3, 4, 6, tzinfo=UTC), datetime(2026, 3, 4, 14, tzinfo=UTC)),
    ]


def test_a_shift_is_cut_to_the_span_and_left_out_where_it_only_touches_it():
    at = [MONDAY + timedelta(hours=h) for h in (5, 6, 7, 13, 14, 15)]
    assert shifts(person(0), at[2], at[3]) == [(at[2], at[3])]
    assert shifts(person(0), at[0], at[1]) == []
    assert shifts(person(0), at[4], at[5]) == []


def test_a_night_shift_belongs_to_the_day_it_begins_on():
    night = person(0, shift_from=time(22), shift_until=time(6))
    found = shifts(night, MONDAY, MONDAY + timedelta(days=3))
    assert found == [(MONDAY + timedelta(hours=22), MONDAY + timedelta(hours=30))]
    early_on_tuesday = MONDAY + timedelta(hours=26)
    assert shifts(night, early_on_tuesday, MONDAY + timedelta(days=3)) == [(early_on_tuesday, found[0][1])]


def test_equal_times_are_a_shift_of_a_whole_day():
    always = person(1, shift_from=time(8), shift_until=time(8))
    tuesday_8 = MONDAY + timedelta(hours=32)
    assert shifts(always, MONDAY, MONDAY + timedelta(days=7)) == [(tuesday_8, tuesday_8 + timedelta(days=1))]


@given(
    days=st.frozensets(st.integers(0, 6), max_size=7),
    start=st.integers(0, 47),
    length=st.integers(1, 48),
    since=st.integers(-96, 336),
    span=st.integers(-2, 300),
    offset=st.sampled_from([-11, 0, 1, 14]),
)
@example(days=frozenset({6}), start=46, length=10, since=0, span=12, offset=14)
def test_every_half_hour_is_on_shift_or_not_as_the_week_says(days, start, length, since, span, offset):
    """Half hours are counted from Monday; the week comes round every 336 of them."""
    until = (start + length) % 48
    worker = person(*days, shift_from=time(start // 2, start % 2 * 30), shift_until=time(until // 2, until % 2 * 30))
    zone = timezone(timedelta(hours=offset))
    half_hour = timedelta(minutes=30)
    first, last = (MONDAY + since * half_hour).astimezone(zone), (MONDAY + (since + span) * half_hour).astimezone(zone)
    on_shift = {(48 * day + start + cell) % 336 for day in days for cell in range(length)}
    found = shifts(worker, first, last)
    told = [
        cell
        for starts_at, ends_at in found
        for cell in range((starts_at - MONDAY) // half_hour, (ends_at - MONDAY) // half_hour)
    ]
    assert told == [cell for cell in range(since, since + span) if cell % 336 in on_shift]
    assert all(moment.tzinfo is UTC for shift in found for moment in shift)


def test_a_span_without_a_time_zone_is_refused():
    naive = datetime.combine(date(2026, 3, 2), time(5))
    with pytest.raises(TypeError, match="offset-naive"):
        shifts(person(0), naive, naive + timedelta(days=1))
