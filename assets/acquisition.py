"""Acquisition: what arrived becomes rows of the lake. Belongs here: landing. Does not: anything derived."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import dagster as dg
from pydantic import Field

from assets.landing import land
from assets.partitions import OWNERS, SOURCES
from assets.upkeep import Update, bring_up_to_date, picture
from pipelines.landing import MOST_FILES, gathered
from pipelines.register import ROWS
from resources.clock import Clock
from resources.inbox import Inbox
from resources.lake import Lake, Taken
from resources.register import RegisterFile
from resources.run_tags import MICRO_BATCH

OBSERVED_FROM = ("readings", "events", "snapshots")


class Files(dg.Config):
    """Which files a run takes."""

    files: list[str] = Field(default_factory=list)
    """Below the inbox folder; none named: whatever is pending for the source."""
    again: list[str] = Field(default_factory=list)
    """Folders of quarantine below the home, whose originals are judged once more; then no file of the inbox is."""
    gather: bool = False
    """Whether to take, beside the named ones, what else has arrived by now."""


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name, group_name="acquisition", description=description, owners=OWNERS, kinds={"polars", "deltalake"}
    )


@dg.multi_asset(
    name="landing",
    specs=[
        _spec("readings", "Sensor readings as they landed, every version of a value; broken rows are in quarantine."),
        _spec("labels", "Known truth that arrived: read by training and evaluation alone, never by what scores."),
        _spec("events", "What happened to machines, as it was recorded: errors, failures, maintenance."),
        _spec("snapshots", "Waveforms and sound as they landed, in the precision of the file they came in."),
    ],
    partitions_def=SOURCES,
    check_specs=[
        dg.AssetCheckSpec(
            "every_row_is_accounted_for",
            asset="readings",
            blocking=True,
            description="Rows read = landed + duplicate + quarantined + empty.",
        ),
        dg.AssetCheckSpec("nothing_was_refused", asset="readings", description="No file and no value was quarantined."),
    ],
)
def landing(
    context: dg.AssetExecutionContext, config: Files, lake: Lake, inbox: Inbox, register: RegisterFile, clock: Clock
) -> Iterator[dg.MaterializeResult[Any]]:
    """Read, judge and commit pending files; archive or quarantine each."""
    from pipelines.reporting.figures import rows_by_day

    source = context.partition_key
    files = config.again or config.files
    if not config.again and (config.gather or not files):
        pending = (arrived.file for arrived in inbox.pending() if arrived.source == source)
        files = gathered(files, pending, limit=MOST_FILES)
    declared, again = register.load().source(source), bool(config.again)
    landed = land(files, source=declared, lake=lake, inbox=inbox, now=clock.now(), again=again)
    receipt = landed.receipt
    counted = receipt.rows_landed + receipt.rows_duplicate + receipt.rows_quarantined + receipt.rows_empty
    is_plotted = receipt.values_landed and not context.run.tags.get(MICRO_BATCH)
    plot = {"plot": picture(rows_by_day(lake.rows_by_day("readings", source=source)))} if is_plotted else {}
    yield dg.MaterializeResult(
        asset_key="readings",
        metadata={
            "dagster/row_count": lake.count("readings", source=source),
            **asdict(receipt),
            "partitions": len(landed.days),
            "refused": dg.MetadataValue.json(landed.refused),
            "left": dg.MetadataValue.json(landed.left),
            **plot,
        },
        check_results=[
            dg.AssetCheckResult(check_name="every_row_is_accounted_for", passed=receipt.rows_read == counted),
            dg.AssetCheckResult(
                check_name="nothing_was_refused",
                passed=not landed.refused,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"refused": dg.MetadataValue.json(landed.refused)},
            ),
        ],
    )
    yield dg.MaterializeResult(
        asset_key="labels",
        metadata={"dagster/row_count": lake.count("labels", source=source), "labels_landed": receipt.labels_landed},
    )
    for table in ("events", "snapshots"):
        yield dg.MaterializeResult(asset_key=table, metadata={"dagster/row_count": lake.count(table, source=source)})


@dg.asset(
    group_name="acquisition", partitions_def=SOURCES, deps=OBSERVED_FROM, owners=OWNERS, kinds={"polars", "deltalake"}
)
def machines(context: dg.AssetExecutionContext, lake: Lake, register: RegisterFile) -> dg.MaterializeResult[Any]:
    """The machine register as a table: declared machines, and those that sent anything without being declared."""
    source, declared = context.partition_key, register.load()

    def compute(taken: Taken) -> Update:
        observed: set[str] = set()
        for table, changed in taken.changed.items():
            if changed is None:
                observed.update(lake.machine_ids(table, source=source))
            elif not changed.is_empty():
                observed.update(changed["machine_id"])
        if taken.news is not None:
            observed.update(lake.read("machines", source=source)["machine_id"])
        return Update(declared.machines_frame(source, observed=observed))

    definition = f"{ROWS}|{declared.version}"
    return bring_up_to_date(context, lake, "machines", inputs=OBSERVED_FROM, compute=compute, definition=definition)
