"""The crew: who can do which work, and when each one is on shift."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from pipelines.contracts.vocabulary import NAME

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
KEYS = ("id", "skills", "days", "shift")
A_NAME = "a word of letters, digits, '_', '.' and '-', 64 at most"


class CrewError(ValueError):
    """The crew cannot be read as written; the message says what was found, where, and what is expected."""


@dataclass(frozen=True)
class Technician:
    """One person and their week, the same every week.

    Attributes:
        technician: Name, unique in the crew.
        skills: Skills held, in the words decisions ask for.
        days: Days a shift begins on, 0 is Monday.
        shift_from: Start of the shift, UTC.
        shift_until: End of the shift, UTC; on the next day unless later than the start, so equal times are 24 h.
    """

    technician: str
    skills: frozenset[str]
    days: frozenset[int]
    shift_from: time
    shift_until: time


def shifts(technician: Technician, since: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Shifts of one technician in `[since, until)`, cut to it, in order; UTC.

    Args:
        technician: Whose shifts.
        since: First moment, with a time zone.
        until: Moment behind the last one, with a time zone.
    """
    ends_next_day = timedelta(days=technician.shift_until <= technician.shift_from)
    found = []
    day = since.astimezone(UTC).date() - timedelta(days=1)  # a night shift of yesterday may reach into the span
    while day <= until.astimezone(UTC).date():
        starts_at = datetime.combine(day, technician.shift_from, UTC)
        ends_at = datetime.combine(day + ends_next_day, technician.shift_until, UTC)
        if day.weekday() in technician.days and max(starts_at, since) < min(ends_at, until):
            found.append((max(starts_at, since).astimezone(UTC), min(ends_at, until).astimezone(UTC)))
        day += timedelta(days=1)
    return found


def parse_crew(text: str) -> tuple[Technician, ...]:
    """The crew written in TOML, in the order of the file.

    Args:
        text: Entries `[[technicians]]` with the keys `id`, `skills`, `days` (mon to sun) and
            `shift` (`["06:00", "14:00"]`, UTC; an end not later than the start is on the next day).
    Raises:
        CrewError: Not TOML, a key is missing, unknown or has another form, an id comes twice.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CrewError(f"crew: found text that is not TOML ({error}); expected [[technicians]] entries") from None
    _refuse_unknown(content, ("technicians",), where="crew")
    entries = content.get("technicians")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise _refusal("crew", "technicians", entries, "one [[technicians]] entry or more")
    crew: dict[str, Technician] = {}
    for number, entry in enumerate(entries, 1):
        where = f"technicians entry {number}"
        technician = _technician(entry, where)
        if technician.technician in crew:
            raise _refusal(where, "id", technician.technician, "an id that no other entry has")
        crew[technician.technician] = technician
    return tuple(crew.values())


def _technician(entry: Mapping[str, object], where: str) -> Technician:
    _refuse_unknown(entry, KEYS, where=where)
    name = entry.get("id")
    if not isinstance(name, str) or not re.fullmatch(NAME, name):
        raise _refusal(where, "id", name, A_NAME)
    where = f"{where} ({name})"
    skills = _words(entry, "skills", where)
    for skill in skills:
        if not re.fullmatch(NAME, skill):
            raise _refusal(where, "skills", skill, A_NAME)
    days = _words(entry, "days", where)
    for day in days:
        if day not in DAYS:
            raise _refusal(where, "days", day, f"one of {', '.join(DAYS)}")
    shift_from, shift_until = _shift(entry.get("shift"), where)
    return Technician(name, frozenset(skills), frozenset(map(DAYS.index, days)), shift_from, shift_until)


def _words(entry: Mapping[str, object], key: str, where: str) -> list[str]:
    found = entry.get(key)
    words = [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
    if not words or words != found or len(set(words)) < len(words):
        raise _refusal(where, key, found, "a list of one word or more, each once")
    return words


def _shift(found: object, where: str) -> tuple[time, time]:
    expected = 'a start and an end in UTC, such as ["06:00", "14:00"]'
    times = [word for word in found if isinstance(word, str)] if isinstance(found, list) else []
    if len(times) != 2 or times != found:
        raise _refusal(where, "shift", found, expected)
    if not all(re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", word) for word in times):
        raise _refusal(where, "shift", found, expected)
    return time.fromisoformat(times[0]), time.fromisoformat(times[1])


def _refuse_unknown(content: Mapping[str, object], known: Sequence[str], *, where: str) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise CrewError(f"{where}: found unknown key {', '.join(map(repr, unknown))}; expected {', '.join(known)}")


def _refusal(where: str, key: str, found: object, expected: str) -> CrewError:
    shown = "nothing" if found is None else repr(found)
    return CrewError(f"{where}, key {key!r}: found {shown}; expected {expected}")
