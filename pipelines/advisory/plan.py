"""The plan: who does what when, as cheap as the solver finds it. Proposed only: a person approves.

Imports the solver, which takes half a second: assets import this module inside their body.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
from ortools.sat.python import cp_model

from pipelines.advisory.crew import Technician
from pipelines.advisory.greedy import greedy
from pipelines.advisory.problem import (
    SETTINGS,
    Job,
    Place,
    Problem,
    Settings,
    Slot,
    Span,
    Task,
    cost,
    delay_cost,
    move_cost,
    no_free_slot,
    pose,
    unplaced_costs,
)
from pipelines.contracts.enforce import computed
from pipelines.contracts.work_orders import WORK_ORDERS


@dataclass(frozen=True)
class Plan:
    """Every job, in a slot or with the reason why not.

    Attributes:
        slots: By work order id; slots that had begun are as they were.
        unplaced: Why a job has no slot, by work order id.
        status: `OPTIMAL`: no plan is cheaper; `FEASIBLE`: the search ended before that was proved; `EMPTY`: no jobs.
        objective: Cost as in `problem.cost`.
        bound: No plan costs less than this.
        gap: (objective - bound) / objective, in [0, 1]; 0 where the cost is 0.
    """

    slots: Mapping[str, Slot]
    unplaced: Mapping[str, str]
    status: str
    objective: float
    bound: float
    gap: float


@dataclass(frozen=True)
class _Choice:
    """Variables of one task in the model."""

    start: cp_model.IntVar
    late: cp_model.IntVar
    with_technician: Mapping[str, cp_model.IntVar]
    is_unplaced: cp_model.IntVar
    is_moved: cp_model.IntVar


def plan(
    jobs: Sequence[Job],
    crew: Sequence[Technician],
    *,
    now: datetime,
    standing: Mapping[str, Slot],
    seed: int,
    horizon_days: int = 14,
    settings: Settings = SETTINGS,
) -> Plan:
    """Places as many jobs as there is room for, then the weightiest in time, then soon, and moves few.

    A job lies on the grid, inside one shift of one technician with the skill; nobody does two jobs at once and no
    machine is worked on twice at once. The same input gives the same plan, whatever its order.

    Args:
        jobs: What is to be done.
        crew: Who is there.
        now: Moment of planning, with a time zone; no job starts before `now + settings.lead` unless it stood there.
        standing: Slots of an earlier plan by work order id; see `problem.pose`.
        seed: Of the solver.
        horizon_days: Work must end within so many days from now.
        settings: Grid, lead and weights.
    Raises:
        PlanError: A work order or a technician comes twice, the horizon is not positive, `now` has no time zone.
    """
    problem = pose(jobs, crew, now=now, standing=standing, horizon_days=horizon_days, settings=settings)
    if not jobs:
        return Plan({}, {}, "EMPTY", 0.0, 0.0, 0.0)
    rough = greedy(problem)
    status, found, bound = _search(problem, rough, seed)
    placed = min(found, rough, key=lambda places: cost(problem, places))
    slots, unplaced = dict(problem.begun), dict(problem.hopeless)
    for task in problem.tasks:
        order = task.job.work_order_id
        if order in placed:
            slots[order] = problem.slot(task, placed[order])
        else:
            unplaced[order] = no_free_slot(task.job, horizon_days)
    objective = float(cost(problem, placed))
    gap = (objective - bound) / objective if objective else 0.0
    return Plan(slots, unplaced, status, objective, bound, gap)


def _search(problem: Problem, rough: Mapping[str, Place], seed: int) -> tuple[str, Mapping[str, Place], float]:
    """Status, places and lower bound of the cost; the places are `rough` if the search found none."""
    model = cp_model.CpModel()
    choices = {task.job.work_order_id: _add_task(model, task, problem) for task in problem.tasks}
    _add_resources(model, problem.tasks, choices)
    _add_cost(model, problem, choices)
    _add_hint(model, problem, choices, rough)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1  # more than one does not repeat
    solver.parameters.interleave_search = True  # several strategies in turn on the one worker; repeats as well
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = problem.settings.search_limit
    status = solver.solve(model)
    # costs are whole numbers, so the bound is the next one above, but for what floats lose; and none is below 0
    bound = max(0.0, float(math.ceil(solver.best_objective_bound - 1e-6)))
    if status == cp_model.UNKNOWN:
        return "FEASIBLE", rough, bound
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        raise AssertionError(f"every job may stay unplaced, yet the solver says {solver.status_name(status)}")
    found = {}
    for order, choice in choices.items():
        for technician, is_with in choice.with_technician.items():
            if solver.boolean_value(is_with):
                found[order] = Place(technician, solver.value(choice.start))
    return solver.status_name(status), found, bound


def _add_task(model: cp_model.CpModel, task: Task, problem: Problem) -> _Choice:
    runs = sorted({run for spans in task.starts.values() for run in spans})
    start = model.new_int_var_from_domain(_domain(runs), "start")
    late = model.new_int_var(0, max(0, problem.horizon - task.due), "late")
    is_unplaced = model.new_bool_var("unplaced")
    is_moved = model.new_bool_var("moved")
    with_technician = {technician: model.new_bool_var(technician) for technician in task.starts}
    model.add_exactly_one([*with_technician.values(), is_unplaced])
    model.add(start == _first(task)).only_enforce_if(is_unplaced)  # a start that means nothing must cost nothing
    model.add(late >= start + task.size - task.due)
    for technician, is_with in with_technician.items():
        model.add_linear_expression_in_domain(start, _domain(task.starts[technician])).only_enforce_if(is_with)
    if task.standing is not None:
        model.add(start == task.standing.start).only_enforce_if(~is_moved)
        model.add_implication(~is_moved, with_technician[task.standing.technician])
    return _Choice(start, late, with_technician, is_unplaced, is_moved)


def _add_resources(model: cp_model.CpModel, tasks: Sequence[Task], choices: Mapping[str, _Choice]) -> None:
    """Nobody, and no machine, is in two jobs at once."""
    people, machines = defaultdict(list), defaultdict(list)
    for task in tasks:
        choice = choices[task.job.work_order_id]
        for technician, is_with in choice.with_technician.items():
            interval = model.new_optional_fixed_size_interval_var(choice.start, task.size, is_with, technician)
            people[technician].append(interval)
        machine = task.job.machine_id
        interval = model.new_optional_fixed_size_interval_var(choice.start, task.size, ~choice.is_unplaced, machine)
        machines[machine].append(interval)
    for intervals in (*people.values(), *machines.values()):
        model.add_no_overlap(intervals)


def _add_cost(model: cp_model.CpModel, problem: Problem, choices: Mapping[str, _Choice]) -> None:
    """The same cost as `problem.cost`, term by term."""
    settings, unplaced = problem.settings, unplaced_costs(problem)
    terms = []
    for task in problem.tasks:
        choice = choices[task.job.work_order_id]
        moved = move_cost(task, settings)
        already = delay_cost(task, _first(task), settings) + moved  # what an unplaced job's variables cost
        terms += [
            task.job.priority * (settings.late * choice.late + settings.wait * choice.start),
            moved * choice.is_moved,
            (unplaced[task.job.work_order_id] - already) * choice.is_unplaced,
        ]
    model.minimize(sum(terms))


def _add_hint(
    model: cp_model.CpModel, problem: Problem, choices: Mapping[str, _Choice], rough: Mapping[str, Place]
) -> None:
    for task in problem.tasks:
        choice, place = choices[task.job.work_order_id], rough.get(task.job.work_order_id)
        start = _first(task) if place is None else place.start
        model.add_hint(choice.start, start)
        model.add_hint(choice.late, max(0, start + task.size - task.due))
        model.add_hint(choice.is_unplaced, place is None)
        model.add_hint(choice.is_moved, place is None or place != task.standing)
        for technician, is_with in choice.with_technician.items():
            model.add_hint(is_with, place is not None and place.technician == technician)


def _first(task: Task) -> int:
    return min(first for runs in task.starts.values() for first, _ in runs)


def _domain(runs: Sequence[Span]) -> cp_model.Domain:
    return cp_model.Domain.from_intervals(runs)


def work_orders_frame(
    jobs: Sequence[Job], plan: Plan, gone: pl.DataFrame, *, planned_at: datetime, rules_version: str
) -> pl.DataFrame:
    """One row a job, by work order id, and the orders that are gone, without `day` and `run_id`.

    Args:
        jobs: Those the plan was made for.
        plan: Their plan.
        gone: `work_orders` contract: of the plan before, those that no job is for any more, as they are now.
        planned_at: The plan's `now`, with a time zone.
        rules_version: Of what the plan follows from.
    """
    shared = {
        "planned_at": planned_at,
        "plan_status": plan.status,
        "objective": plan.objective,
        "bound": plan.bound,
        "gap": plan.gap,
        "rules_version": rules_version,
    }
    schema = computed(WORK_ORDERS)
    rows = [_row(job, plan, planned_at) for job in sorted(jobs, key=lambda job: job.work_order_id)]
    told = [row | shared for row in (*rows, *gone.select(schema.names()).to_dicts())]
    return pl.DataFrame(told, schema=schema)


def _row(job: Job, plan: Plan, planned_at: datetime) -> dict[str, object]:
    slot = plan.slots.get(job.work_order_id)
    return {
        "source": job.source,
        "machine_id": job.machine_id,
        "work_order_id": job.work_order_id,
        "failure_mode": job.failure_mode,
        "kind": job.kind,
        "status": "unplaced" if slot is None else "proposed",
        "technician": None if slot is None else slot.technician,
        "skill": job.skill,
        "starts_at": None if slot is None else slot.starts_at,
        "ends_at": None if slot is None else slot.ends_at,
        "due_at": job.due_at,
        "priority": job.priority,
        "note": plan.unplaced[job.work_order_id] if slot is None else _note(slot, job, planned_at),
        "decision_id": job.decision_id,
    }


def _note(slot: Slot, job: Job, planned_at: datetime) -> str:
    spare = job.due_at - slot.ends_at
    when = f"{_hours(spare)} before it is due" if spare >= timedelta(0) else f"{_hours(-spare)} after it was due"
    if slot.starts_at <= planned_at:  # it may be done by now, or not: nobody has said so
        return f"begun by {slot.technician}, planned to end {when}"
    return f"done by {slot.technician}, {when}"


def _hours(span: timedelta) -> str:
    """Hours rounded down, minutes below one hour."""
    minutes = span // timedelta(minutes=1)
    return f"{minutes // 60} h" if minutes >= 60 else f"{minutes} min"
