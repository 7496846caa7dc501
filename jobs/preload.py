"""What the steps of a micro-batch load when they first run: a warm worker imports this module beforehand.

Left out: plots, which are not drawn in a micro-batch; scikit-learn, which only fits models; SciPy's statistics and
Prophet, which only machines that are getting worse need.
"""

# ruff: noqa: F401  to have been imported is all that is asked of them
import duckdb
import pandera.polars
import pyarrow.parquet

import jobs.definitions
import pipelines.advisory.decision
import pipelines.changes
import pipelines.detection.alarms
import pipelines.detection.outages
import pipelines.detection.quality
import pipelines.detection.reference
import pipelines.detection.scoring
import pipelines.features.levels
import pipelines.features.scalars
import pipelines.features.sound
import pipelines.features.states
import pipelines.features.vibration
import pipelines.features.windows
import pipelines.health.index
import pipelines.health.verdict
import pipelines.importers.formats
import pipelines.importers.sorting
import pipelines.prognosis.forecast
import resources.serving.duckdb_views
