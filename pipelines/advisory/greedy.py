"""A plan by rule of thumb: quick, always there, and the measure of what the solver gains."""

from collections import defaultdict
from collections.abc import Sequence

from pipelines.advisory.problem import Place, Problem, Span, Task, place_cost


def greedy(problem: Problem) -> dict[str, Place]:
    """Each job, the weightiest first and then the most urgent, where it costs least among what is left.

    Args:
        problem: What is planned.
    Returns:
        Place by work order id; a job for which nothing is left is missing.
    """
    placed: dict[str, Place] = {}
    people: defaultdict[str, list[Span]] = defaultdict(list)
    machines: defaultdict[str, list[Span]] = defaultdict(list)
    for task in sorted(problem.tasks, key=lambda task: (-task.job.priority, task.due, task.job.work_order_id)):
        places = [
            place
            for technician in task.starts
            for place in _candidates(task, technician, people[technician] + machines[task.job.machine_id])
        ]
        if places:
            best = min(places, key=lambda place: (place_cost(task, place, problem.settings), place.technician))
            placed[task.job.work_order_id] = best
            people[best.technician].append((best.start, best.start + task.size))
            machines[task.job.machine_id].append((best.start, best.start + task.size))
    return placed


def _candidates(task: Task, technician: str, taken: Sequence[Span]) -> list[Place]:
    """The first free start with one technician, and where the job stands if that is free."""
    searched = [task.starts[technician]]
    if task.standing is not None and task.standing.technician == technician:
        searched.append([(task.standing.start, task.standing.start)])
    starts = (_first_free(runs, task.size, taken) for runs in searched)
    return [Place(technician, start) for start in starts if start is not None]


def _first_free(runs: Sequence[Span], size: int, taken: Sequence[Span]) -> int | None:
    """First start in `runs` (last cell included) with `size` cells free of `taken`; None if there is none."""
    for first, last in runs:
        start = first
        for taken_from, taken_until in sorted(taken):
            if taken_from < start + size and start < taken_until:
                start = taken_until
        if start <= last:
            return start
    return None
