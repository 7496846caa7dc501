"""Snapshots and events: their tables, and what came to be told of machines, windows and states.

Tables follow the lake: one that gained columns is made anew without rows, and the next publication takes it whole.
"""

from alembic import op
from sqlalchemy import text

revision = "0002"
down_revision = "0001"

CHANGED = ("machines", "window_features")


def _numbered(name: str, first: int, last: int) -> str:
    return ", ".join(f"{name}_{number} double precision" for number in range(first, last + 1))


BIG = {
    "vibration_features": (
        """
        CREATE TABLE store.vibration_features (
            recorded_at timestamptz NOT NULL,
            n_samples bigint NOT NULL,
            sample_rate_hz double precision NOT NULL,
            speed_rpm double precision,
            mean double precision,
            std double precision,
            rms double precision,
            min double precision,
            max double precision,
            peak double precision,
            peak_to_peak double precision,
            mean_abs double precision,
            energy double precision,
            skewness double precision,
            kurtosis double precision,
            crest double precision,
            shape double precision,
            impulse double precision,
            clearance double precision,
            velocity_rms_mm_s double precision,
            spectral_centroid_hz double precision,
            spectral_spread_hz double precision,
            spectral_entropy double precision,
            dominant_hz double precision,
            power_below_1khz double precision,
            power_1_to_5khz double precision,
            power_above_5khz double precision,
            band_low_hz double precision,
            band_high_hz double precision,
            spectral_kurtosis double precision,
            bpfo_db double precision,
            bpfi_db double precision,
            bsf_db double precision,
            ftf_db double precision,
            bpfi_sideband_db double precision,
            bsf_sideband_db double precision,
            diagnosis_db double precision,
            batch_seq bigint NOT NULL,
            machine integer NOT NULL,
            sensor integer NOT NULL,
            bearing integer,
            iso_zone integer,
            diagnosis integer,
            run_id integer NOT NULL
        )
        """,
        "machine, sensor, recorded_at DESC",
    ),
    "sound_features": (
        f"""
        CREATE TABLE store.sound_features (
            recorded_at timestamptz NOT NULL,
            n_samples bigint NOT NULL,
            sample_rate_hz double precision NOT NULL,
            {_numbered("mfcc_mean", 1, 13)},
            {_numbered("mfcc_std", 1, 13)},
            spectral_centroid_mean double precision,
            spectral_centroid_std double precision,
            spectral_bandwidth_mean double precision,
            spectral_bandwidth_std double precision,
            rms_mean double precision,
            rms_std double precision,
            zero_crossing_rate_mean double precision,
            zero_crossing_rate_std double precision,
            {_numbered("free_mfcc_mean", 2, 13)},
            {_numbered("free_mfcc_std", 2, 13)},
            {_numbered("tone", 1, 8)},
            rms_variation double precision,
            batch_seq bigint NOT NULL,
            machine integer NOT NULL,
            sensor integer NOT NULL,
            run_id integer NOT NULL
        )
        """,
        "machine, sensor, recorded_at DESC",
    ),
    "operating_states": (
        """
        CREATE TABLE store.operating_states (
            recorded_at timestamptz NOT NULL,
            window_s bigint NOT NULL,
            off_share double precision,
            idle_share double precision,
            running_share double precision,
            startup_share double precision,
            level double precision,
            idle_above double precision,
            running_above double precision,
            learned_until timestamptz,
            machine integer NOT NULL,
            state integer NOT NULL,
            basis integer NOT NULL,
            reason integer,
            sensor integer,
            run_id integer NOT NULL
        )
        """,
        "machine, recorded_at DESC",
    ),
    "window_features": (
        """
        CREATE TABLE store.window_features (
            recorded_at timestamptz NOT NULL,
            window_s bigint NOT NULL,
            n bigint NOT NULL,
            mean double precision NOT NULL,
            std double precision,
            min double precision NOT NULL,
            max double precision NOT NULL,
            slope_per_h double precision,
            median double precision NOT NULL,
            iqr double precision,
            autocorrelation double precision,
            energy double precision NOT NULL,
            entropy_bits double precision NOT NULL,
            change_per_h double precision,
            missing_share double precision,
            batch_seq bigint NOT NULL,
            machine integer NOT NULL,
            sensor integer NOT NULL,
            state integer NOT NULL,
            run_id integer NOT NULL,
            is_derived boolean NOT NULL
        )
        """,
        "machine, sensor, recorded_at DESC",
    ),
}
"""Hypertables, and the key of each in the order in which it is read: newest first."""

PLAIN = (
    """
    CREATE TABLE store.machines (
        source text COLLATE "C" NOT NULL,
        machine_id text COLLATE "C" NOT NULL,
        machine_class text COLLATE "C" NOT NULL,
        site text COLLATE "C" NOT NULL,
        criticality text COLLATE "C" NOT NULL,
        running_sensor text COLLATE "C",
        running_above double precision,
        idle_above double precision,
        startup_s bigint,
        bearing text COLLATE "C",
        speed_rpm double precision,
        iso_class text COLLATE "C",
        healthy_from timestamptz,
        healthy_until timestamptz,
        nominal_limits jsonb NOT NULL,
        failure_modes jsonb NOT NULL,
        register_version text COLLATE "C" NOT NULL,
        PRIMARY KEY (machine_id)
    )
    """,
    """
    CREATE TABLE store.events (
        source text COLLATE "C" NOT NULL,
        machine_id text COLLATE "C" NOT NULL,
        kind text COLLATE "C" NOT NULL,
        event text COLLATE "C" NOT NULL,
        occurred_at timestamptz NOT NULL,
        ended_at timestamptz,
        note text COLLATE "C",
        landed_at timestamptz NOT NULL,
        batch_id text COLLATE "C" NOT NULL,
        batch_seq bigint NOT NULL,
        batch_row bigint NOT NULL,
        PRIMARY KEY (machine_id, kind, event, occurred_at)
    )
    """,
)


def upgrade() -> None:
    """Views on a changed table go with it and are made anew; who built others on them is told, and nothing happens."""
    asked = "SELECT current_setting('timescaledb.license', true), to_regproc('add_columnstore_policy') IS NOT NULL"
    licence, has_columnstore = op.get_bind().execute(text(asked)).one()
    for table in CHANGED:
        op.execute(f"DROP VIEW IF EXISTS bi.{table}")
        op.execute(f"DROP TABLE store.{table}")
        op.execute(f"DELETE FROM store.taken WHERE table_name = '{table}'")
    for statement in PLAIN:
        op.execute(statement)
    op.execute("CREATE INDEX events_machine ON store.events (machine_id, occurred_at DESC)")
    for name, (table, key) in BIG.items():
        op.execute(table)
        _make_hypertable(name, key)
        if licence == "timescale" and has_columnstore:
            _move_into_columnstore(name, key)


def _make_hypertable(name: str, key: str) -> None:
    ranges = "by_range('recorded_at', INTERVAL '7 days')"
    op.execute(f"SELECT create_hypertable('store.{name}', {ranges}, create_default_indexes => false)")
    op.execute(f"CREATE UNIQUE INDEX {name}_key ON store.{name} ({key})")
    op.execute(f"CREATE INDEX {name}_time ON store.{name} USING brin (recorded_at) WITH (pages_per_range = 32)")


def _move_into_columnstore(name: str, key: str) -> None:
    """Chunks that nobody writes to any more, as a rule: late data still can."""
    series = key.removesuffix(", recorded_at DESC")
    op.execute(
        f"ALTER TABLE store.{name} SET (timescaledb.enable_columnstore = true, "
        f"timescaledb.segmentby = '{series}', timescaledb.orderby = 'recorded_at DESC')"
    )
    op.execute(f"CALL add_columnstore_policy('store.{name}', after => INTERVAL '30 days')")
