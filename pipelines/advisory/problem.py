"""The planning problem: which jobs are to be placed, where each may go, and what a plan costs.

Shared by `greedy` and `plan`, and free of the solver: both search the same places and are judged by the same cost.
Times are counted in cells of the grid from `Grid.origin`.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipelines.advisory.crew import Technician, shifts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Span = tuple[int, int]
"""Cells from the first up to, not with, the second."""


class PlanError(ValueError):
    """What is to be planned makes no sense; the message says what was found and what is expected."""


@dataclass(frozen=True)
class Job:
    """Work that a decision asks for.

    Attributes:
        work_order_id: The same job has the same id in every plan.
        kind: `repair` or `inspection`.
        skill: Skill that who does it must have.
        work_h: Length of the work in h, 0 to 1e4; takes whole cells of the grid, and one at least.
        due_at: When it must be done, with a time zone; may be past.
        priority: Weight of an hour too late, 1 to 1000.
        decision_id: Decision that asked for it.
    Raises:
        PlanError: `work_h` or `priority` is out of range.
    """

    work_order_id: str
    source: str
    machine_id: str
    failure_mode: str
    kind: str
    skill: str
    work_h: float
    due_at: datetime
    priority: int
    decision_id: str

    def __post_init__(self) -> None:
        if not 0.0 <= self.work_h <= 1e4:
            raise PlanError(f"{self.work_order_id}: work_h is {self.work_h}; expected 0 to 1e4 h")
        if not 1 <= self.priority <= 1000:
            raise PlanError(f"{self.work_order_id}: priority is {self.priority}; expected 1 to 1000")


@dataclass(frozen=True)
class Slot:
    """Who does a job, from when (included) until when (not included), UTC, and on which machine.

    `machine_id` counts where nothing asks for the job any more; else the job says it.
    """

    technician: str
    starts_at: datetime
    ends_at: datetime
    machine_id: str = field(default="", compare=False)


@dataclass(frozen=True)
class Settings:
    """How plans are weighed. Whole numbers, since the solver counts in them.

    Attributes:
        grid: Length of a cell; divides a day.
        lead: From the plan to the first start: somebody has to be told and to get there.
        late: Cost of a cell too late, times priority.
        wait: Cost of a cell between now and the start, times priority: of two plans in time, the sooner.
        move: Cost of moving a job from a slot people were told of, times priority; as an hour too late.
        search_limit: Solver's deterministic time, near seconds; the same on every machine.
    """

    grid: timedelta = timedelta(minutes=15)
    lead: timedelta = timedelta(hours=1)
    late: int = 100
    wait: int = 1
    move: int = 400
    search_limit: float = 1.0

    @property
    def version(self) -> str:
        """Hash of all settings, 16 hex digits; plans of one version are comparable."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


SETTINGS = Settings()


@dataclass(frozen=True)
class Grid:
    """Moments as cells, counted from `origin`."""

    origin: datetime
    step: timedelta

    def floor(self, moment: datetime) -> int:
        return (moment - self.origin) // self.step

    def ceil(self, moment: datetime) -> int:
        return -((self.origin - moment) // self.step)

    def at(self, cell: int) -> datetime:
        return self.origin + cell * self.step

    def around(self, slot: Slot) -> Span:
        """Every cell the slot touches."""
        return self.floor(slot.starts_at), self.ceil(slot.ends_at)


@dataclass(frozen=True)
class Place:
    """Who does a job and the cell it starts in."""

    technician: str
    start: int


@dataclass(frozen=True)
class Task:
    """A job that can be placed.

    Attributes:
        size: Cells the work takes.
        due: Last cell border not behind `due_at`: ends behind it are late.
        starts: By technician, first and last cell (both included) of each run of possible starts; none is empty.
        standing: Where an earlier plan put it, if it still can be there.
    """

    job: Job
    size: int
    due: int
    starts: Mapping[str, Sequence[Span]]
    standing: Place | None


@dataclass(frozen=True)
class Problem:
    """What is to be decided, and what is not any more.

    Attributes:
        tasks: To be placed, by work order id.
        begun: Slots that have begun, by work order id; they stay as they are.
        hopeless: Why no plan can place them, by work order id.
        horizon: Cell behind the last one of the plan.
    """

    tasks: Sequence[Task]
    begun: Mapping[str, Slot]
    hopeless: Mapping[str, str]
    grid: Grid
    horizon: int
    settings: Settings

    def slot(self, task: Task, place: Place) -> Slot:
        return Slot(place.technician, self.grid.at(place.start), self.grid.at(place.start + task.size))


def pose(
    jobs: Sequence[Job],
    crew: Sequence[Technician],
    *,
    now: datetime,
    standing: Mapping[str, Slot],
    horizon_days: int,
    settings: Settings = SETTINGS,
) -> Problem:
    """The problem these jobs and this crew make. The order of either does not matter.

    Args:
        jobs: What is to be done.
        crew: Who is there.
        now: Moment of planning, with a time zone.
        standing: Slots of an earlier plan by work order id. One that has begun keeps its technician and its machine
            busy even when its job is not asked for any more: leave it out to free both.
        horizon_days: Work must end within so many days from now.
        settings: Grid, lead and weights.
    Raises:
        PlanError: A work order or a technician comes twice, the horizon is not positive, `now` has no time zone.
    """
    _check(jobs, crew, now, horizon_days)
    now, until = now.astimezone(UTC), now.astimezone(UTC) + timedelta(days=horizon_days)
    grid = Grid(now - (now - EPOCH) % settings.grid, settings.grid)
    begun = {order: slot for order, slot in standing.items() if slot.starts_at <= now}
    stays = [job for job in jobs if job.work_order_id in begun]
    person_busy = _grouped((slot.technician, grid.around(slot)) for slot in begun.values())
    of_machine = {job.work_order_id: job.machine_id for job in stays}
    machine_busy = _grouped(
        (of_machine.get(order, slot.machine_id), grid.around(slot)) for order, slot in begun.items()
    )
    crew = sorted(crew, key=lambda person: person.technician)
    free = {p.technician: _without(_on_shift(p, now, until, grid), person_busy[p.technician]) for p in crew}
    tasks, hopeless = [], {}
    for job in sorted(set(jobs) - set(stays), key=lambda job: job.work_order_id):
        able = [person for person in crew if job.skill in person.skills]
        windows = {p.technician: _without(free[p.technician], machine_busy[job.machine_id]) for p in able}
        task = _task(job, windows, standing.get(job.work_order_id), grid, grid.ceil(now + settings.lead))
        if task.starts:
            tasks.append(task)
        else:
            hopeless[job.work_order_id] = _why_hopeless(task, able, grid, horizon_days)
    kept = {job.work_order_id: begun[job.work_order_id] for job in stays}
    return Problem(tasks, kept, hopeless, grid, grid.floor(until), settings)


def delay_cost(task: Task, start: int, settings: Settings) -> int:
    """Cost of lateness and waiting of one job that starts in cell `start`."""
    late = max(0, start + task.size - task.due)
    return task.job.priority * (settings.late * late + settings.wait * start)


def move_cost(task: Task, settings: Settings) -> int:
    """Cost of not starting one job where it stood; nothing if it stood nowhere it can still be."""
    return 0 if task.standing is None else task.job.priority * settings.move


def place_cost(task: Task, place: Place, settings: Settings) -> int:
    """Cost of one job in `place`."""
    moved = 0 if place == task.standing else move_cost(task, settings)
    return delay_cost(task, place.start, settings) + moved


def unplaced_costs(problem: Problem) -> dict[str, int]:
    """Cost of not placing a job, by work order id: as if it were done at the horizon, and a penalty on top.

    The penalty is more than all delays and moves of all jobs together, so one job more is always worth it; which
    one is left out follows from the first part.
    """
    settings = problem.settings
    worst = {
        task.job.work_order_id: delay_cost(task, problem.horizon, settings) + move_cost(task, settings)
        for task in problem.tasks
    }
    penalty = 1 + sum(worst.values()) - sum(delay_cost(task, 0, settings) for task in problem.tasks)
    return {order: latest + penalty for order, latest in worst.items()}


def cost(problem: Problem, placed: Mapping[str, Place]) -> int:
    """What a plan costs; less is better.

    The unit is a cell (a quarter hour) of waiting at priority 1. Work that has begun and work that no plan can
    place cost the same in every plan and are left out.

    Args:
        problem: What is planned.
        placed: Place by work order id; the other tasks are unplaced.
    """
    unplaced = unplaced_costs(problem)
    places = ((task, placed.get(task.job.work_order_id)) for task in problem.tasks)
    return sum(
        unplaced[task.job.work_order_id] if place is None else place_cost(task, place, problem.settings)
        for task, place in places
    )


def no_free_slot(job: Job, horizon_days: int) -> str:
    """Why a job with a skilled crew and long enough shifts is not placed."""
    return f"no free slot of {job.work_h:g} h within {horizon_days} days for a technician with skill {job.skill!r}"


def _task(job: Job, windows: Mapping[str, Sequence[Span]], stood: Slot | None, grid: Grid, earliest: int) -> Task:
    size = max(1, math.ceil(job.work_h / (grid.step / timedelta(hours=1))))
    standing = None
    if stood is not None and grid.at(grid.floor(stood.starts_at)) == stood.starts_at:
        start = grid.floor(stood.starts_at)
        if any(since <= start and start + size <= until for since, until in windows.get(stood.technician, ())):
            standing = Place(stood.technician, start)
    starts = {}
    for technician, spans in windows.items():
        runs = [(max(since, earliest), until - size) for since, until in spans if max(since, earliest) + size <= until]
        if standing is not None and standing.technician == technician and standing.start < earliest:
            runs.insert(0, (standing.start, standing.start))  # whoever stands there was told in time
        if runs:
            starts[technician] = runs
    return Task(job, size, grid.floor(job.due_at), starts, standing)


def _why_hopeless(task: Task, able: Sequence[Technician], grid: Grid, horizon_days: int) -> str:
    skill = repr(task.job.skill)
    if not able:
        return f"no technician has skill {skill}"
    week = (grid.origin, grid.origin + timedelta(days=8))  # holds every shift of a week in full
    longest = max((until - since for person in able for since, until in _on_shift(person, *week, grid)), default=0)
    if task.size > longest:
        hours = longest * (grid.step / timedelta(hours=1))
        return f"{task.job.work_h:g} h of work is longer than any shift with skill {skill}; the longest is {hours:g} h"
    return no_free_slot(task.job, horizon_days)


def _on_shift(person: Technician, since: datetime, until: datetime, grid: Grid) -> list[Span]:
    """Whole cells on shift, one span a shift."""
    spans = [(grid.ceil(starts_at), grid.floor(ends_at)) for starts_at, ends_at in shifts(person, since, until)]
    return [(first, last) for first, last in spans if first < last]


def _without(spans: Sequence[Span], busy: Iterable[Span]) -> list[Span]:
    """`spans` with every cell of `busy` cut out; two spans never become one."""
    left = list(spans)
    for taken_from, taken_until in busy:
        cut = [
            piece
            for since, until in left
            for piece in ((since, min(until, taken_from)), (max(since, taken_until), until))
        ]
        left = [(since, until) for since, until in cut if since < until]
    return left


def _grouped(pairs: Iterable[tuple[str, Span]]) -> defaultdict[str, list[Span]]:
    groups = defaultdict(list)
    for name, span in pairs:
        groups[name].append(span)
    return groups


def _check(jobs: Sequence[Job], crew: Sequence[Technician], now: datetime, horizon_days: int) -> None:
    _refuse_twice("work order", (job.work_order_id for job in jobs))
    _refuse_twice("technician", (person.technician for person in crew))
    if horizon_days < 1:
        raise PlanError(f"horizon_days is {horizon_days}; expected 1 or more")
    if now.tzinfo is None:
        raise PlanError(f"now is {now}; expected a moment with a time zone")


def _refuse_twice(what: str, names: Iterable[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise PlanError(f"{what} {', '.join(twice)} comes twice; expected once")
