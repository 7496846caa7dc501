"""Every contract by table name, in the order data flows."""

from types import MappingProxyType

from pipelines.contracts.alarms import ALARMS
from pipelines.contracts.anomaly_scores import ANOMALY_SCORES
from pipelines.contracts.baselines import BASELINES
from pipelines.contracts.data_quality import DATA_QUALITY
from pipelines.contracts.decisions import DECISIONS
from pipelines.contracts.events import EVENTS
from pipelines.contracts.exceedances import EXCEEDANCES
from pipelines.contracts.forecasts import FORECASTS
from pipelines.contracts.health_index import HEALTH_INDEX
from pipelines.contracts.labels import LABELS
from pipelines.contracts.machines import MACHINES
from pipelines.contracts.operating_states import OPERATING_STATES
from pipelines.contracts.outages import OUTAGES
from pipelines.contracts.readings import READINGS
from pipelines.contracts.snapshots import SNAPSHOTS
from pipelines.contracts.sound_features import SOUND_FEATURES
from pipelines.contracts.verdicts import VERDICTS_TABLE
from pipelines.contracts.vibration_features import VIBRATION_FEATURES
from pipelines.contracts.window_features import WINDOW_FEATURES
from pipelines.contracts.work_orders import WORK_ORDERS

CONTRACTS = MappingProxyType(
    {
        "readings": READINGS,
        "labels": LABELS,
        "events": EVENTS,
        "snapshots": SNAPSHOTS,
        "machines": MACHINES,
        "vibration_features": VIBRATION_FEATURES,
        "sound_features": SOUND_FEATURES,
        "operating_states": OPERATING_STATES,
        "window_features": WINDOW_FEATURES,
        "baselines": BASELINES,
        "outages": OUTAGES,
        "data_quality": DATA_QUALITY,
        "anomaly_scores": ANOMALY_SCORES,
        "exceedances": EXCEEDANCES,
        "alarms": ALARMS,
        "verdicts": VERDICTS_TABLE,
        "health_index": HEALTH_INDEX,
        "forecasts": FORECASTS,
        "decisions": DECISIONS,
        "work_orders": WORK_ORDERS,
    }
)
