"""The composition root: every asset, resource, job, sensor and schedule, for one home."""

from typing import Any

import dagster as dg

from assets import (
    acquisition,
    advisory,
    detection,
    health,
    incidents,
    maintenance,
    manipulation,
    prognosis,
    publishing,
    serving,
)
from jobs.batch import CARE, COMPACT, IMPORT_BATCH, MICRO_BATCH, PLAN
from jobs.schedules import care_schedule, catch_up_schedule, compaction_schedule, plan_schedule
from resources.care import CareFile
from resources.clock import Clock
from resources.home import Home
from resources.inbox import Inbox
from resources.incident_index import IncidentIndex
from resources.lake import Lake
from resources.lake_maintenance import LakeMaintenance
from resources.model_store import ModelStore
from resources.register import RegisterFile
from resources.serving.duckdb_catalog import Catalog
from resources.serving.timescale import Server, serving_settings
from resources.settings import from_environment
from resources.settings_file import SettingsFileError
from sensors.landing import landing_sensor

GROUPS = (acquisition, manipulation, detection, health, prognosis, advisory, serving, incidents, maintenance)


def has_server(home: Home) -> bool:
    """Whether a home publishes to a server; not where its settings cannot be read.

    A mistake in that file must not keep the plant's data from landing; the doctor tells it.
    """
    try:
        return bool(serving_settings(home.settings).url)
    except SettingsFileError:
        return False


def build_resources(home: Home) -> dict[str, Any]:
    """Resources of one prepared home."""
    return {
        "lake": Lake(root=str(home.lake)),
        "inbox": Inbox(root=str(home.root)),
        "register": RegisterFile(machines=str(home.machines), crew=str(home.crew)),
        "models": ModelStore(root=str(home.models)),
        "catalog_file": Catalog(path=str(home.catalog), lake_root=str(home.lake)),
        "clock": Clock(),
        "care": CareFile(path=str(home.settings)),
        "lake_maintenance": LakeMaintenance(root=str(home.lake)),
        "incident_index": IncidentIndex(root=str(home.incidents)),
        **({"server": Server(home=str(home.root))} if has_server(home) else {}),
    }


def build_definitions(home: Home, **overrides: Any) -> dg.Definitions:
    """The whole graph on one home; tests replace resources here."""
    resources = {**build_resources(home), **overrides}
    groups = (*GROUPS, publishing) if "server" in resources else GROUPS
    return dg.Definitions(
        assets=dg.load_assets_from_modules(groups),
        jobs=[IMPORT_BATCH, MICRO_BATCH, PLAN, COMPACT, CARE],
        sensors=[landing_sensor],
        schedules=[plan_schedule, catch_up_schedule, compaction_schedule, care_schedule],
        resources=resources,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` names: the graph on the home of the environment."""
    return build_definitions(Home(from_environment().home))
