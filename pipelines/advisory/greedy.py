"""A plan by rule of thumb: quick, always there, and the measure of what the solver gains."""

from collections.abc import Mapping, Sequence

from pipelines.advisory.problem import Place, Problem, Span, Task, place_cost


def greedy(problem: Problem) -> dict[str, Place]:
    """Each job, the weightiest and then the most urgent first, where it costs least among what is left.

    Args:
        problem: What is planned.
    Returns:
        Place by work order id; a job for which nothing is left is missing.
    """
    placed: dict[str, Place] = {}
    taken: dict[str, list[Span]] = {}
    for task in sorted(problem.tasks, key=lambda task: (-task.job.priority, task.due, task.job.work_order_id)):
        machine = f"machine {task.job.machine_id}"
        places = []
        for technician in task.starts:
            busy = sorted(taken.get(f"technician {technician}", []) + taken.get(machine, []))
            places += _candidates(task, technician, busy)
        if not places:
            continue
        best = min(places, key=lambda place: (_cost(place, task, problem), place.technician))
        placed[task.job.work_order_id] = best
        for resource in (f"technician {best.technician}", machine):
            taken.setdefault(resource, []).append((best.start, best.start + task.size))
    return placed
