"""Tags of Dagster runs that more than one part reads."""

MICRO_BATCH = "smartmaint/micro_batch"
"""`true` on runs that the landing sensor asks for: they may go to a warm worker, and draw no plots."""

WARM_WORKER = "smartmaint/warm_worker"
"""Process id of the warm worker that a run was handed to; `none` where there was no free one."""
