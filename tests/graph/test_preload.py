"""A warm worker has loaded what the steps of a micro-batch load."""

import json
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
LEFT_OUT = ("pipelines.reporting", "pipelines.prognosis.prophet_trend", "scipy", "sklearn")
LIBRARIES = ("duckdb", "pandas", "scipy", "sklearn")


def test_after_the_preload_a_micro_batch_loads_no_stage_and_no_heavy_library(tmp_path):
    code = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, {str(TESTS)!r})
import jobs.preload
import dagster as dg
from homes import Plant, telemetry
with dg.DagsterInstance.ephemeral() as instance:
    plant = Plant(Path({str(tmp_path)!r}) / "home", instance)
    file = plant.drop(telemetry(96, ramp_from=60), "a.parquet")
    before = set(sys.modules)
    plant.materialize(files=[file])
    assert plant.lake.count("anomaly_scores") > 0
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout.splitlines()[-1])
    wanted = [name for name in loaded if name.partition(".")[0] in ("pipelines", *LIBRARIES)]
    assert [name for name in wanted if not name.startswith(LEFT_OUT)] == []
