"""Jobs for the tests of run launchers: each run leaves a note of the process that it ran in."""

import os
import sys
import time
from pathlib import Path

import dagster as dg


def note(context: dg.OpExecutionContext) -> None:
    folder = Path(context.instance.root_directory) / "notes"
    folder.mkdir(exist_ok=True)
    (folder / f".{context.run_id}").write_text(f"{os.getpid()} {' '.join(sys.orig_argv)}")
    (folder / f".{context.run_id}").rename(folder / context.run_id)


@dg.op
def pass_(context: dg.OpExecutionContext) -> None:
    note(context)


@dg.op
def fail(context: dg.OpExecutionContext) -> None:
    note(context)
    raise dg.Failure("as asked", allow_retries=False)


@dg.op
def last_long(context: dg.OpExecutionContext) -> None:
    """Longer than any test waits; a retry passes at once."""
    note(context)
    while context.run.parent_run_id is None:
        time.sleep(0.1)


@dg.op
def hold_on(context: dg.OpExecutionContext) -> None:
    """Cannot be interrupted."""
    note(context)
    while context.run.parent_run_id is None:
        try:
            time.sleep(0.1)
        except BaseException:  # noqa: S112 as a library that swallows everything would
            continue


@dg.op
def fill_memory(context: dg.OpExecutionContext) -> None:
    note(context)
    len(b"x" * 600 * 2**20)


def _job(name: str, op: dg.OpDefinition, *, retries: int = 0) -> dg.JobDefinition:
    @dg.job(name=name, executor_def=dg.in_process_executor, tags={"dagster/max_retries": str(retries)})
    def made() -> None:
        op()

    return made


passes, fails, lasts = _job("passes", pass_), _job("fails", fail), _job("lasts", last_long, retries=1)
holds, fills = _job("holds", hold_on), _job("fills", fill_memory)
defs = dg.Definitions(jobs=[passes, fails, lasts, holds, fills])
