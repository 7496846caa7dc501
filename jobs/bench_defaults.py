"""The same graph as Dagster runs it when nobody says otherwise: the baseline of `bench latency`, and nothing else.

A process for every step, a sensor that looks every 30 s, the default queue.
"""

import dagster as dg

from assets.partitions import SOURCES
from jobs.batch import GRAPH
from jobs.definitions import GROUPS, build_resources
from resources.home import Home
from resources.inbox import Inbox
from resources.settings import from_environment

JOB = dg.define_asset_job("micro_batch", dg.AssetSelection.assets(*GRAPH, "catalog"))


@dg.sensor(job=JOB, default_status=dg.DefaultSensorStatus.RUNNING)
def inbox_sensor(inbox: Inbox) -> dg.SensorResult:
    """One run of each source that has files: what the tutorial would have us write."""
    files: dict[str, list[str]] = {}
    for arrived in inbox.pending():
        files.setdefault(arrived.source, []).append(arrived.file)
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                partition_key=source,
                run_key=named[-1],
                run_config={"ops": {"landing": {"config": {"files": named}}}},
            )
            for source, named in files.items()
        ],
        dynamic_partitions_requests=[SOURCES.build_add_request(list(files))],
    )


@dg.definitions
def defs() -> dg.Definitions:
    return dg.Definitions(
        assets=dg.load_assets_from_modules(GROUPS),
        jobs=[JOB],
        sensors=[inbox_sensor],
        resources=build_resources(Home(from_environment().home)),
    )
