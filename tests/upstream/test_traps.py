"""What the libraries below us do and we lean on, or step around: an upgrade that changes it fails here first.

Each part names the module that leans on it.
"""

import random
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import lancedb
import numpy as np
import pandera.polars as pa
import polars as pl
import pyarrow
import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from lancedb.index import FTS
from sklearn.ensemble import IsolationForest

from resources.lake import CONFIGURATION

NAN = float("nan")
SAMPLES = np.random.default_rng(1).normal(size=(300, 2))


# --- pandera, for pipelines/contracts/enforce.py


def test_pandera_checks_no_values_of_a_lazy_frame():
    contract = pa.DataFrameSchema({"value": pa.Column(float, pa.Check.in_range(0, 1))})
    frame = pl.DataFrame({"value": [7.0]})
    assert contract.validate(frame.lazy()).collect()["value"].to_list() == [7.0]
    with pytest.raises(pa.errors.SchemaError):
        contract.validate(frame)


@pytest.mark.parametrize(
    ("checks", "passes"),
    [
        ([], True),
        ([pa.Check.ge(0)], True),
        ([pa.Check.gt(0)], True),
        ([pa.Check.le(1)], False),
        ([pa.Check.in_range(0, 1)], False),
    ],
    ids=["unchecked", "ge", "gt", "le", "in_range"],
)
def test_on_a_nullable_column_nan_passes_a_lower_bound_and_no_upper_one(checks, passes):
    contract = pa.DataFrameSchema({"value": pa.Column(float, checks, nullable=True)})
    frame = pl.DataFrame({"value": [NAN]})
    if passes:
        contract.validate(frame)
    else:
        with pytest.raises(pa.errors.SchemaError):
            contract.validate(frame)


def test_pandera_flags_every_copy_of_a_row_that_is_not_unique():
    contract = pa.DataFrameSchema({"key": pa.Column(int)}, unique=["key"])
    with pytest.raises(pa.errors.SchemaErrors) as refused:
        contract.validate(pl.DataFrame({"key": [1, 2, 1]}), lazy=True)
    assert sorted(set(refused.value.failure_cases["index"])) == [0, 2]


def test_pandera_gives_no_row_number_where_a_column_is_missing():
    contract = pa.DataFrameSchema({"key": pa.Column(int), "other": pa.Column(int)}, strict=True)
    with pytest.raises(pa.errors.SchemaErrors) as refused:
        contract.validate(pl.DataFrame({"key": [1]}), lazy=True)
    assert refused.value.failure_cases["index"].null_count()


# --- deltalake, for resources/lake.py


def noting(*notes: tuple[str, int]) -> CommitProperties:
    return CommitProperties(app_transactions=[Transaction(*note) for note in notes])


def table(root: Path, frame: pl.DataFrame, *, versions: int = 0) -> str:
    """A table as the lake makes them, with `frame` appended a number of times."""
    uri = f"{root}/table"
    by = [name for name in ("source",) if name in frame.columns]
    DeltaTable.create(uri, schema=frame.to_arrow().schema, partition_by=by, configuration=CONFIGURATION)
    for _ in range(versions):
        write_deltalake(DeltaTable(uri), frame.to_arrow(), mode="append")
    return uri


ROWS = pl.DataFrame({"source": ["a", "b"], "value": [1, 2]})


def test_two_handles_that_note_one_app_conflict_and_the_second_writes_nothing(tmp_path):
    uri = table(tmp_path, ROWS)
    first, second = DeltaTable(uri), DeltaTable(uri)
    write_deltalake(first, ROWS.to_arrow(), mode="append", commit_properties=noting(("source", 1)))
    with pytest.raises(CommitFailedError):
        write_deltalake(second, ROWS.to_arrow(), mode="append", commit_properties=noting(("source", 2)))
    assert (DeltaTable(uri).version(), DeltaTable(uri).transaction_version("source")) == (1, 1)


@pytest.mark.parametrize("notes", [(None, None), (("a", 1), ("b", 1))], ids=["no notes", "other apps"])
def test_two_appends_from_one_version_do_not_conflict_by_themselves(tmp_path, notes):
    uri = table(tmp_path, ROWS)
    handles = DeltaTable(uri), DeltaTable(uri)
    for handle, note in zip(handles, notes, strict=True):
        properties = noting(note) if note else None
        write_deltalake(handle, ROWS.to_arrow(), mode="append", commit_properties=properties)
    assert DeltaTable(uri).count() == 4


def test_an_append_loses_against_a_replace_of_another_source_of_the_same_table(tmp_path):
    uri = table(tmp_path, ROWS, versions=1)
    replacing, appending = DeltaTable(uri), DeltaTable(uri)
    one = ROWS.head(1).to_arrow()
    write_deltalake(replacing, one, mode="overwrite", predicate="source = 'a'")
    with pytest.raises(CommitFailedError):
        write_deltalake(appending, ROWS.tail(1).to_arrow(), mode="append")


def test_replaces_of_two_sources_do_not_conflict(tmp_path):
    uri = table(tmp_path, ROWS, versions=1)
    handles = DeltaTable(uri), DeltaTable(uri)
    for handle, source in zip(handles, "ab", strict=True):
        rows = ROWS.filter(pl.col("source") == source).with_columns(value=9)
        write_deltalake(handle, rows.to_arrow(), mode="overwrite", predicate=f"source = '{source}'")
    assert pl.read_delta(uri)["value"].to_list() == [9, 9]


def test_a_write_by_uri_moves_a_note_back_without_a_word(tmp_path):
    uri = table(tmp_path, ROWS)
    for version in (5, 3):
        write_deltalake(uri, ROWS.to_arrow(), mode="append", commit_properties=noting(("source", version)))
    assert DeltaTable(uri).transaction_version("source") == 3


def test_rows_outside_the_predicate_of_a_replace_are_refused(tmp_path):
    uri = table(tmp_path, ROWS, versions=1)
    with pytest.raises(DeltaError, match="Invalid data found: 1 rows failed"):
        write_deltalake(DeltaTable(uri), ROWS.to_arrow(), mode="overwrite", predicate="source = 'a'")


@pytest.mark.parametrize(
    ("written", "read"),
    [(pl.UInt8, pl.Int8), (pl.UInt16, pl.Int16), (pl.UInt32, pl.Int32), (pl.UInt64, pl.Int64)],
)
def test_unsigned_integers_come_back_signed_and_one_that_does_not_fit_is_refused(tmp_path, written, read):
    small = pl.DataFrame({"n": pl.Series([1, 100], dtype=written)})
    uri = table(tmp_path, small, versions=1)
    assert pl.read_delta(uri).equals(small.cast(read))
    most = small.select(n=written.max())
    with pytest.raises(DeltaError, match="Can't cast value"):
        write_deltalake(DeltaTable(uri), most.to_arrow(), mode="append")


def test_a_table_ignores_another_configuration_once_it_stands(tmp_path):
    uri = table(tmp_path, ROWS)
    other = {"delta.enableChangeDataFeed": "false"}
    DeltaTable.create(uri, schema=ROWS.to_arrow().schema, mode="ignore", configuration=other)
    assert DeltaTable(uri).metadata().configuration["delta.enableChangeDataFeed"] == "true"


def test_the_change_feed_reports_deletes_and_an_equal_row_as_delete_and_insert(tmp_path):
    uri = table(tmp_path, ROWS, versions=1)
    row = ROWS.head(1).to_arrow()
    write_deltalake(DeltaTable(uri), row, mode="overwrite", predicate="source = 'a'")
    feed = pl.DataFrame(DeltaTable(uri).load_cdf(2, 2).read_all())
    assert sorted(feed.select("value", "_change_type").rows()) == [(1, "delete"), (1, "insert")]


def test_the_change_feed_can_be_read_for_one_source(tmp_path):
    uri = table(tmp_path, ROWS, versions=2)
    feed = pl.DataFrame(DeltaTable(uri).load_cdf(1, 2, predicate="source = 'b'").read_all())
    assert sorted(feed.select("source", "_commit_version").rows()) == [("b", 1), ("b", 2)]


def test_a_feed_beyond_the_newest_version_says_so_and_is_silently_empty_where_that_is_allowed(tmp_path):
    uri = table(tmp_path, ROWS, versions=1)
    with pytest.raises(DeltaError, match="Invalid table version"):
        DeltaTable(uri).load_cdf(9, 9).read_all()
    assert DeltaTable(uri).load_cdf(9, 9, allow_out_of_range=True).read_all().num_rows == 0


def test_a_feed_whose_log_was_cleaned_says_invalid_table_version(tmp_path):
    uri = table(tmp_path, ROWS, versions=2)
    DeltaTable(uri).alter.set_table_properties({"delta.logRetentionDuration": "interval 0 seconds"})
    delta = DeltaTable(uri)
    delta.create_checkpoint()
    delta.cleanup_metadata()
    with pytest.raises(DeltaError, match="Invalid table version"):
        DeltaTable(uri).load_cdf(1, delta.version()).read_all()


def test_a_feed_whose_files_were_vacuumed_says_not_found_in_a_bare_exception(tmp_path):
    uri = table(tmp_path, ROWS, versions=1)
    for value in (2, 3):
        rows = ROWS.with_columns(value=value).to_arrow()
        write_deltalake(DeltaTable(uri), rows, mode="overwrite", predicate="source IN ('a', 'b')")
    DeltaTable(uri).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    with pytest.raises(Exception, match="not found") as refused:
        DeltaTable(uri).load_cdf(1, 3).read_all()
    assert type(refused.value) is Exception


def test_paths_of_files_are_percent_encoded_and_polars_does_not_find_them(tmp_path):
    """pola-rs/polars issue 20944: `_Table` in resources/lake.py decodes them. Fixed upstream, it must go."""
    (tmp_path / "my plant").mkdir()
    uri = table(tmp_path / "my plant", ROWS, versions=1)
    assert all("my%20plant" in file for file in DeltaTable(uri).file_uris())
    with pytest.raises(FileNotFoundError):
        pl.read_delta(uri)


AT = datetime(2026, 1, 5, 1, 2, 3, 456_789, tzinfo=UTC)
TIMED = pl.DataFrame(
    {
        "source": ["a", "b", "b"],
        "machine_id": ["m", "n", "o"],
        "at": [AT + timedelta(hours=n) for n in range(3)],
        "none": pl.Series([None] * 3, dtype=pl.Float64),
    }
)


@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_the_log_tells_rows_and_newest_moment_of_every_file_without_a_look_into_it(tmp_path, is_checkpointed):
    uri = table(tmp_path, TIMED, versions=1)
    if is_checkpointed:
        DeltaTable(uri).create_checkpoint()
    for file in DeltaTable(uri).file_uris():
        Path(file).unlink()
    files = pl.DataFrame(DeltaTable(uri).get_add_actions(flatten=True)).sort("partition.source")
    assert files.select("partition.source", "num_records", "max.machine_id").rows() == [("a", 1, "m"), ("b", 2, "o")]
    # cut to the millisecond: `Lake.newest_moment` is meant for moments of whole seconds
    assert files["max.at"].to_list() == [moment.replace(microsecond=456_000) for moment in (AT, TIMED["at"][2])]
    assert files.schema["max.at"] == pl.Datetime("us", "UTC")


def test_the_log_of_a_table_without_files_tells_no_statistics(tmp_path):
    files = pl.DataFrame(DeltaTable(table(tmp_path, TIMED)).get_add_actions(flatten=True))
    assert files.is_empty()
    assert files["num_records"].sum() == 0


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (pl.col("source") == "b", ["n", "o"]),
        (pl.col("at") >= TIMED["at"][1], ["n", "o"]),
        ((pl.col("at") >= TIMED["at"][1]) & (pl.col("at") < TIMED["at"][2]), ["n"]),
        (pl.any_horizontal(pl.lit(False), pl.col("at") == TIMED["at"][2]), ["o"]),
        (pl.col("machine_id").is_in(["n"]), ["n"]),
    ],
    ids=["partition", "statistics", "a range", "one of several", "a name"],
)
def test_polars_opens_no_file_that_the_log_rules_out(tmp_path, where, found):
    uri = table(tmp_path, TIMED, versions=1)
    [other] = [file for file in DeltaTable(uri).file_uris() if "source=a" in file]
    Path(other).unlink()
    assert pl.scan_delta(DeltaTable(uri)).filter(where).sort("at").collect()["machine_id"].to_list() == found


def test_statistics_cut_to_the_millisecond_hide_no_row(tmp_path):
    uri = table(tmp_path, TIMED, versions=1)
    at = pl.col("at")
    within = (at >= AT) & (at < AT + timedelta(microseconds=1))
    assert pl.scan_delta(DeltaTable(uri)).filter(within).collect()["machine_id"].to_list() == ["m"]
    told = f"at >= '{AT:%FT%T.%fZ}' AND at < '{AT + timedelta(microseconds=1):%FT%T.%fZ}'"
    write_deltalake(DeltaTable(uri), TIMED.clear().to_arrow(), mode="overwrite", predicate=told)
    assert sorted(pl.read_delta(DeltaTable(uri))["machine_id"]) == ["n", "o"]


@pytest.mark.parametrize("letter", "[]^|")
def test_deltalake_panics_in_a_path_with(tmp_path, letter):
    """`UNUSABLE` in resources/home.py refuses such a home; in a process of its own, for the panic's noise."""
    (tmp_path / f"a{letter}b").mkdir()
    uri = table(tmp_path / f"a{letter}b", ROWS)
    rows = "pyarrow.table({'source': ['a'], 'value': [1]})"
    code = f"import deltalake, pyarrow; deltalake.write_deltalake({uri!r}, {rows}, mode='append')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "PanicException" in done.stderr


def test_equal_frames_are_written_as_equal_bytes_by_polars(tmp_path):
    """The demo recognizes days that it has landed by the sha256 of the file."""
    frame = pl.DataFrame(
        {
            "machine_id": ["a", "b"] * 500,
            "recorded_at": [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(minutes=n) for n in range(1000)],
            "value": [n * 0.1 % 7 for n in range(1000)],
        }
    )
    for name in ("one", "two"):
        pl.concat([frame.head(400), frame.tail(600)]).write_parquet(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


# --- deltalake, for resources/lake_maintenance.py


def small_files(root: Path) -> DeltaTable:
    for value in (1.0, 2.0, 3.0):
        write_deltalake(
            str(root), pl.DataFrame({"value": [value]}).to_arrow(), mode="append", configuration=CONFIGURATION
        )
    return DeltaTable(str(root))


def test_a_compaction_drops_the_notes_it_is_given_and_keeps_those_of_the_table(tmp_path):
    """Why a compaction is noted by a commit of its own."""
    delta = small_files(tmp_path)
    delta.create_write_transaction(
        [], "append", delta.schema(), commit_properties=CommitProperties(app_transactions=[Transaction("kept", 7)])
    )
    delta = DeltaTable(str(tmp_path))
    delta.optimize.compact(commit_properties=CommitProperties(app_transactions=[Transaction("given", 1)]))
    compacted = DeltaTable(str(tmp_path))
    assert (compacted.transaction_version("kept"), compacted.transaction_version("given")) == (7, None)


def test_a_compaction_is_no_change_to_the_feed(tmp_path):
    delta = small_files(tmp_path)
    before = delta.version()
    assert delta.optimize.compact()["numFilesRemoved"] == 3
    compacted = DeltaTable(str(tmp_path))
    assert compacted.load_cdf(before + 1, compacted.version()).read_all().num_rows == 0


def test_a_vacuum_that_is_not_full_leaves_what_a_killed_writer_left(tmp_path):
    small_files(tmp_path)
    (tmp_path / "orphan.parquet").write_bytes(b"x")
    for full, found in ((False, []), (True, ["orphan.parquet"])):
        delta = DeltaTable(str(tmp_path))
        assert delta.vacuum(0, dry_run=True, enforce_retention_duration=False, full=full) == found


# --- DuckDB, for resources/serving/duckdb_catalog.py


@pytest.fixture
def widened(tmp_path) -> Path:
    """Two files of one table: in the second a column became a fraction, and one is new."""
    folder = tmp_path / "source=1" / "day=2026-01-05"
    folder.mkdir(parents=True)
    pl.DataFrame({"value": [1]}).write_parquet(folder / "old.parquet")
    pl.DataFrame({"value": [1.5], "quality": ["good"]}).write_parquet(folder / "new.parquet")
    return folder


def test_duckdb_reads_a_widened_list_of_files_rightly_by_name_alone(widened):
    files = f"['{widened}/old.parquet', '{widened}/new.parquet']"
    named = duckdb.sql(f"SELECT value, quality FROM read_parquet({files}, union_by_name = true) ORDER BY value")
    assert named.fetchall() == [(1.0, None), (1.5, "good")]
    bare = duckdb.sql(f"SELECT * EXCLUDE (source, day) FROM read_parquet({files}, hive_partitioning = true)")
    assert bare.columns == ["value"]
    assert sorted(bare.fetchall()) == [(1,), (2,)]  # 1.5, read as a whole number


def test_duckdb_guesses_the_type_of_a_folder_unless_it_is_told(widened):
    rows = f"read_parquet('{widened}/old.parquet', hive_partitioning = true"
    assert duckdb.sql(f"SELECT source, day FROM {rows})").fetchall() == [(1, date(2026, 1, 5))]
    told = duckdb.sql(f"SELECT source, day FROM {rows}, hive_types = {{source: VARCHAR, day: DATE}})")
    assert told.fetchall() == [("1", date(2026, 1, 5))]


def test_a_duckdb_view_over_no_file_fails_and_one_over_a_file_without_rows_answers(tmp_path):
    with pytest.raises(duckdb.IOException, match="No files found"):
        duckdb.sql(f"SELECT * FROM read_parquet('{tmp_path}/*.parquet')")
    pl.DataFrame(schema={"value": pl.Float64}).write_parquet(tmp_path / "empty.parquet")
    assert duckdb.sql(f"SELECT * FROM read_parquet(['{tmp_path}/empty.parquet'])").fetchall() == []


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("SELECT 1", ["SELECT"]),
        ("FROM x", ["SELECT"]),
        ("EXPLAIN ANALYZE SELECT 1", ["EXPLAIN"]),
        ("SELECT 1; COPY x TO 'y'", ["SELECT", "COPY"]),
        ("ATTACH 'x'", ["ATTACH"]),
        ("SET threads = 1", ["SET"]),
        ("PRAGMA version", ["PRAGMA"]),
        ("CREATE TABLE x (a INT)", ["CREATE"]),
        ("", []),
    ],
)
def test_duckdb_tells_the_kind_of_every_statement_without_running_it(sql, kinds):
    assert [statement.type.name for statement in duckdb.extract_statements(sql)] == kinds


def test_a_statement_that_writes_hides_behind_both_kinds_that_read(tmp_path):
    """Why resources/serving/duckdb_catalog.py refuses the word COPY."""
    for name, sql in (
        ("cte", f"WITH x AS (COPY (SELECT 1) TO '{tmp_path}/cte') SELECT 1"),
        ("explain", f"EXPLAIN ANALYZE COPY (SELECT 1) TO '{tmp_path}/explain'"),
    ):
        assert [statement.type.name for statement in duckdb.extract_statements(sql)] == [
            {"cte": "SELECT", "explain": "EXPLAIN"}[name]
        ]
        duckdb.connect().execute(sql).fetchall()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cte", "explain"]


def test_a_copy_within_a_with_is_allowed_at_the_top_alone(tmp_path):
    """So the word must stand in the text itself, and cannot be put together in a string for `query`."""
    sql = f"SELECT * FROM query('WITH x AS (CO' || 'PY (SELECT 1) TO ''{tmp_path}/x'') SELECT 1')"
    with pytest.raises(duckdb.BinderException, match="must be at the top level"):
        duckdb.connect().execute(sql)


def test_without_external_access_duckdb_reads_the_allowed_folders_alone_and_also_writes_there(tmp_path):
    (tmp_path / "lake").mkdir()
    for path in (tmp_path / "lake" / "x.csv", tmp_path / "other.csv"):
        path.write_text("a\n1\n")
    with duckdb.connect() as connection:
        connection.execute(f"SET allowed_directories = ['{tmp_path}/lake/']; SET enable_external_access = false")
        assert connection.execute(f"FROM read_csv('{tmp_path}/lake/x.csv')").fetchall() == [(1,)]
        for path in (f"{tmp_path}/other.csv", f"{tmp_path}/lake/../other.csv"):
            with pytest.raises(duckdb.PermissionException):
                connection.execute(f"FROM read_csv('{path}')")
        with pytest.raises(duckdb.Error):
            connection.execute("SET enable_external_access = true")
        connection.execute(f"COPY (SELECT 1) TO '{tmp_path}/lake/y.csv'")


def test_connections_of_one_process_to_one_file_share_its_locks_and_its_old_content(tmp_path):
    """Why resources/serving/duckdb_catalog.py attaches the catalog to an instance of its own."""
    path, newer = tmp_path / "x.duckdb", tmp_path / "newer.duckdb"
    for file, value in ((path, 1), (newer, 2)):
        with duckdb.connect(str(file)) as connection:
            connection.execute(f"CREATE VIEW x AS SELECT {value} AS value")
    with duckdb.connect(str(path), read_only=True) as first:
        first.execute("SET lock_configuration = true")
        newer.replace(path)
        with duckdb.connect(str(path), read_only=True) as second:
            assert second.execute("FROM x").fetchall() == [(1,)]
            with pytest.raises(duckdb.InvalidInputException, match="locked"):
                second.execute("SET threads = 1")
        with duckdb.connect() as own:
            own.execute(f"ATTACH '{path}' AS other (READ_ONLY)")
            assert own.execute("FROM other.x").fetchall() == [(2,)]


# --- scikit-learn, for pipelines/detection/isolation.py


def test_an_isolation_forest_tells_its_nodes_their_depths_and_its_share_of_the_samples():
    fitted = IsolationForest(n_estimators=3, random_state=1).fit(SAMPLES)
    assert fitted.max_samples_ == 256  # at most: of fewer samples all
    for estimator, columns in zip(fitted.estimators_, fitted.estimators_features_, strict=True):
        tree = estimator.tree_
        leaf = tree.children_left < 0
        assert (leaf == (tree.children_right < 0)).all()
        assert (tree.feature[leaf] < 0).all()
        assert (tree.compute_node_depths()[0], tree.compute_node_depths()[tree.children_left[0]]) == (1, 2)
        assert tree.compute_node_depths().max() <= np.ceil(np.log2(256)) + 1
        assert (tree.n_node_samples[0], columns.tolist()) == (tree.n_node_samples[leaf].sum(), [0, 1])
        # a value as 32-bit float, up to the threshold as 64-bit float: to the left
        places = tree.apply(SAMPLES.astype(np.float32))
        goes_left = SAMPLES.astype(np.float32)[:, tree.feature[0]] <= tree.threshold[0]
        assert (tree.apply(SAMPLES.astype(np.float32)[goes_left]) < tree.children_right[0]).all()
        assert (places[~goes_left] >= tree.children_right[0]).all()


# --- OR-Tools, for pipelines/advisory/plan.py


def test_one_worker_of_cp_sat_repeats_itself_within_a_deterministic_limit():
    from ortools.sat.python import cp_model

    def solve() -> tuple[float, float, list[int]]:
        chance, model = random.Random(3), cp_model.CpModel()
        starts, cost = [], []
        for job in range(30):
            length, due = chance.randint(2, 9), chance.randint(5, 60)
            start = model.new_int_var(0, 200, f"s{job}")
            late = model.new_int_var(0, 400, f"l{job}")
            model.add(late >= start + length - due)
            starts.append((start, model.new_fixed_size_interval_var(start, length, f"i{job}")))
            cost.append(chance.randint(1, 9) * late)
        model.add_cumulative([interval for _, interval in starts], [1] * len(starts), 2)
        model.minimize(sum(cost))
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = 0.1
        assert solver.status_name(solver.solve(model)) in ("FEASIBLE", "OPTIMAL")
        return solver.objective_value, solver.best_objective_bound, [solver.value(start) for start, _ in starts]

    assert solve() == solve()


# --- Dagster, for assets


def test_one_job_may_hold_an_unpartitioned_asset_beside_partitioned_ones():
    """`micro_batch` brings the catalog up to date behind the tables of one source."""
    sources = dg.DynamicPartitionsDefinition(name="sources")

    @dg.asset(partitions_def=sources)
    def scores(context: dg.AssetExecutionContext) -> None:
        assert context.partition_key == "line"

    @dg.asset(deps=["scores"])
    def catalog(context: dg.AssetExecutionContext) -> None:
        assert context.has_partition_key  # of the run; the asset itself has none
        assert context.assets_def.partitions_def is None

    job = dg.define_asset_job("micro_batch", dg.AssetSelection.all())
    definitions = dg.Definitions(assets=[scores, catalog], jobs=[job])
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("sources", ["line"])
        done = definitions.resolve_job_def("micro_batch").execute_in_process(instance=instance, partition_key="line")
    assert done.success
    assert [event.asset_key.to_user_string() for event in done.get_asset_materialization_events()] == [
        "scores",
        "catalog",
    ]


def test_one_job_may_not_mix_two_partition_definitions():
    @dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name="sources"))
    def scores() -> None: ...

    @dg.asset(deps=["scores"], partitions_def=dg.StaticPartitionsDefinition(["a"]))
    def others() -> None: ...

    job = dg.define_asset_job("both", dg.AssetSelection.all())
    with pytest.raises(dg.DagsterInvalidDefinitionError) as refused:
        dg.Definitions(assets=[scores, others], jobs=[job]).resolve_job_def("both")
    assert "partitions" in str(refused.value.__cause__)


def test_a_postponed_annotation_breaks_an_asset_that_names_its_context(tmp_path):
    code = (
        "from __future__ import annotations\nimport dagster as dg\n"
        "@dg.asset\ndef scores(context: dg.AssetExecutionContext) -> None: ...\n"
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="context"):
        exec(compile(code, "scores.py", "exec"), {"__name__": "scores"})  # noqa: S102 the import works by module


# --- Dagster, for resources/run_storage.py


def test_a_deleted_run_leaves_its_event_file(tmp_path):
    @dg.asset
    def scores() -> None: ...

    (tmp_path / "dagster.yaml").touch()
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        run_id = dg.materialize([scores], instance=instance).run_id
        instance.delete_run(run_id)
        assert instance.get_run_by_id(run_id) is None
    (left,) = tmp_path.rglob(f"{run_id}.db")
    assert left.stat().st_size > 100_000


# --- LanceDB, for resources/incident_index.py


def lance_table(folder, *, keyed: bool = True):
    marked = {b"lance-schema:unenforced-primary-key": b"true"} if keyed else None
    schema = pyarrow.schema(
        [pyarrow.field("key", pyarrow.string(), nullable=False, metadata=marked), ("text", pyarrow.string())]
    )
    return lancedb.connect(folder).create_table("t", schema=schema), schema


def lance_merge(table, schema, keys: list[str], text: str) -> None:
    rows = pyarrow.table({"key": keys, "text": [text] * len(keys)}, schema=schema)
    table.merge_insert("key").when_matched_update_all().when_not_matched_insert_all().execute(rows)


def test_of_two_writers_that_saw_the_same_version_the_marked_key_keeps_rows_single(tmp_path):
    table, schema = lance_table(tmp_path)
    other = lancedb.connect(tmp_path).open_table("t")
    assert other.version == table.version
    lance_merge(table, schema, ["a", "b"], "first")
    lance_merge(other, schema, ["b", "c"], "second")
    table.checkout_latest()
    assert sorted(table.to_arrow()["key"].to_pylist()) == ["a", "b", "c"]


def test_words_of_rows_that_came_after_the_text_index_are_found_before_and_after_optimize(tmp_path):
    table, schema = lance_table(tmp_path)
    lance_merge(table, schema, ["a"], "bearing wear")
    table.create_index("text", config=FTS())
    lance_merge(table, schema, ["b"], "bearings")
    for _ in range(2):
        found = table.search("bearing", query_type="fts").select(["key", "_score"]).to_arrow()
        assert sorted(found["key"].to_pylist()) == ["a", "b"]
        table.optimize(cleanup_older_than=timedelta(hours=1))


def test_an_open_table_stays_at_its_version_until_it_is_told_to_look(tmp_path):
    table, schema = lance_table(tmp_path)
    reader = lancedb.connect(tmp_path).open_table("t")
    lance_merge(table, schema, ["a"], "x")
    assert reader.count_rows() == 0
    reader.checkout_latest()
    assert reader.count_rows() == 1
