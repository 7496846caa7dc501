"""Fitted models in the home: plain arrays, checked before they are loaded, never pickles."""

import hashlib
import io
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import dagster as dg

if TYPE_CHECKING:
    from pipelines.detection.baseline import MachineModel


class ModelError(RuntimeError):
    """A stored model is not what was stored, or holds more than arrays of numbers and names."""


class ModelStore(dg.ConfigurableResource["ModelStore"]):
    """Models by version: `<version>-<sha256 of the file>.npz`."""

    root: str

    def keep(self, version: str, fit: "Callable[[], MachineModel]") -> "MachineModel":
        """The stored model of `version`; fitted and stored where there is none.

        Raises:
            ModelError: The file was altered, or holds anything but arrays: it is not loaded.
        """
        import numpy as np

        stored = next(iter(sorted(Path(self.root).glob(f"{version}-*.npz"))), None)
        if stored is not None:
            return _loaded(stored)
        model = fit()
        written = io.BytesIO()
        np.savez(written, allow_pickle=False, **model.parts())
        content = written.getvalue()
        target = Path(self.root) / f"{version}-{hashlib.sha256(content).hexdigest()[:32]}.npz"
        part = target.with_name(f".{target.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(target)
        return model


@lru_cache(maxsize=1024)  # the name holds the content's hash: what was checked and loaded once stays right
def _loaded(path: Path) -> "MachineModel":
    import numpy as np

    from pipelines.detection.baseline import MachineModel

    content = path.read_bytes()
    if not path.stem.endswith(hashlib.sha256(content).hexdigest()[:32]):
        raise ModelError(f"{path}: the file was altered since it was stored; delete it and it is fitted anew")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return MachineModel.from_parts(dict(arrays))
    except (BadZipFile, ValueError, KeyError, TypeError, EOFError, OSError) as error:
        raise ModelError(f"{path}: is no model file ({error}); delete it and it is fitted anew") from None
