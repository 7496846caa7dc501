"""The model store: what was fitted once is loaded as it was, and nothing else is ever loaded."""

import ast
import hashlib
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipelines.detection.baseline import MachineModel
from pipelines.detection.matrix import Matrix
from resources import model_store as module
from resources.model_store import ModelError, ModelStore

REPOSITORY = Path(__file__).resolve().parents[2]


def matrix(seed: int) -> Matrix:
    """Sixty windows of two sensors, the second of which goes astray in the last five."""
    values = np.random.default_rng(seed).normal([50.0, 2.0], [1.0, 0.1], (60, 2))
    values[-5:, 1] += 2.0
    windows = pl.DataFrame({"recorded_at": range(60), "window_s": [600] * 60, "state": ["running"] * 60})
    return Matrix(windows, ("current_a:mean", "vibration_mm_s:mean"), values)


@pytest.fixture(scope="module")
def fitted() -> MachineModel:
    return MachineModel.fit(matrix(1))


@pytest.fixture(autouse=True)
def _a_fresh_process():
    """What was loaded stays for the life of a process; each of these tests is a new one."""
    module._loaded.cache_clear()


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(root=str(tmp_path))


def never() -> MachineModel:
    raise AssertionError("fitted again")


def stored(store: ModelStore) -> Path:
    [path] = Path(store.root).iterdir()
    return path


def stand_in(store: ModelStore, content: bytes, version: str = "v1") -> Path:
    """A file that somebody else put there, named as ours are."""
    path = Path(store.root) / f"{version}-{hashlib.sha256(content).hexdigest()[:32]}.npz"
    path.write_bytes(content)
    return path


def test_a_model_is_fitted_once_and_scores_alike_when_it_is_loaded(store, fitted):
    assert store.keep("v1", lambda: fitted) is fitted
    loaded = store.keep("v1", never)
    assert loaded is not fitted
    assert pl.DataFrame(loaded.scores(matrix(2))).equals(pl.DataFrame(fitted.scores(matrix(2))))
    assert loaded.columns == fitted.columns
    assert stored(store).name.startswith("v1-")


def test_a_loaded_model_is_read_once_in_the_life_of_a_process(store, fitted):
    store.keep("v1", lambda: fitted)
    assert store.keep("v1", never) is store.keep("v1", never)


def test_every_version_has_a_model_of_its_own(store, fitted):
    other = MachineModel.fit(matrix(3))
    store.keep("v10", lambda: other)
    store.keep("v1", lambda: fitted)
    assert store.keep("v1", never).z.median.tolist() == fitted.z.median.tolist()
    assert store.keep("v10", never).z.median.tolist() == other.z.median.tolist()


def test_a_deleted_model_is_fitted_anew(store, fitted):
    store.keep("v1", lambda: fitted)
    stored(store).unlink()
    assert store.keep("v1", lambda: fitted) is fitted
    assert stored(store).exists()


def test_a_fit_that_fails_leaves_nothing(store):
    with pytest.raises(AssertionError, match="fitted again"):
        store.keep("v1", never)
    assert not list(Path(store.root).iterdir())


def test_a_write_that_was_cut_short_is_no_model(store, fitted):
    (Path(store.root) / ".v1-0123.npz.77").write_bytes(b"half")
    assert store.keep("v1", lambda: fitted) is fitted


@pytest.mark.parametrize("place", [0, 100, -1])
def test_an_altered_file_is_refused_naming_it(store, fitted, place):
    store.keep("v1", lambda: fitted)
    path = stored(store)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{path.name}: the file was altered since it was stored; delete it"):
        store.keep("v1", never)


def test_a_file_cut_short_is_refused(store, fitted):
    store.keep("v1", lambda: fitted)
    path = stored(store)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelError, match="altered"):
        store.keep("v1", never)


def touch(path: str) -> None:
    Path(path).touch()


class Bomb:
    """Goes off when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return touch, (str(self.mark),)


def saved(**parts: object) -> bytes:
    written = io.BytesIO()
    np.savez(written, **parts)  # pickles whatever is no array of numbers or names
    return written.getvalue()


def test_an_object_hidden_in_a_model_is_refused_and_never_goes_off(store, fitted, tmp_path):
    mark = tmp_path / "gone-off"
    path = stand_in(store, saved(**{**fitted.parts(), "widest": np.array(Bomb(mark), dtype=object)}))
    with pytest.raises(ModelError, match=f"{path.name}: is no model file .*allow_pickle=False.*; delete it"):
        store.keep("v1", never)
    assert not mark.exists()


@pytest.mark.parametrize("part", ["columns", "widest", "forest_roots", "forest_longest"])
def test_a_model_without_a_part_is_none(store, fitted, part):
    parts = {name: array for name, array in fitted.parts().items() if name != part}
    path = stand_in(store, saved(**parts))
    with pytest.raises(ModelError, match=f"{path.name}: is no model file"):
        store.keep("v1", never)


def test_a_pickle_that_stands_in_for_a_model_never_goes_off(store, tmp_path):
    mark = tmp_path / "gone-off"
    path = stand_in(store, pickle.dumps(Bomb(mark)))
    with pytest.raises(ModelError, match=f"{path.name}: is no model file .*; delete it"):
        store.keep("v1", never)
    assert not mark.exists()


def test_a_stored_model_holds_no_pickle(store, fitted):
    store.keep("v1", lambda: fitted)
    with zipfile.ZipFile(stored(store)) as file:
        assert {Path(name).suffix for name in file.namelist()} == {".npy"}


def test_no_code_of_ours_imports_a_pickle():
    def imported(path: Path) -> set[str]:
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        names = set()
        for node in nodes:
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
        return names

    files = [
        path
        for folder in ("pipelines", "resources", "assets", "sensors", "jobs")
        for path in (REPOSITORY / folder).rglob("*.py")
    ]
    assert len(files) > 40
    found = {
        path.name: bad
        for path in files
        if (bad := imported(path) & {"pickle", "cPickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"})
    }
    assert not found
