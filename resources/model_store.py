"""Fitted models in the home: skops files, checked before they are loaded, never pickles."""

import hashlib
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
    """A stored model is not what was stored, or holds more than numbers, names and arrays."""


class ModelStore(dg.ConfigurableResource["ModelStore"]):
    """Models by version: `<version>-<sha256 of the file>.skops`."""

    root: str

    def keep(self, version: str, fit: "Callable[[], MachineModel]") -> "MachineModel":
        """The stored model of `version`; fitted and stored where there is none.

        Raises:
            ModelError: The file was altered, or holds a type that is not allowed: it is not loaded.
        """
        from skops.io import dumps

        stored = next(iter(sorted(Path(self.root).glob(f"{version}-*.skops"))), None)
        if stored is not None:
            return _loaded(stored)
        model = fit()
        content = dumps(model.parts())
        target = Path(self.root) / f"{version}-{hashlib.sha256(content).hexdigest()[:32]}.skops"
        part = target.with_name(f".{target.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(target)
        return model


@lru_cache(maxsize=256)  # the name holds the content's hash: what was checked and loaded once stays right
def _loaded(path: Path) -> "MachineModel":
    from skops.io import get_untrusted_types, loads

    from pipelines.detection.baseline import MachineModel

    content = path.read_bytes()
    if not path.stem.endswith(hashlib.sha256(content).hexdigest()[:32]):
        raise ModelError(f"{path}: the file was altered since it was stored; delete it and it is fitted anew")
    try:
        foreign = sorted(get_untrusted_types(data=content))
    except (BadZipFile, KeyError):
        raise ModelError(f"{path}: is no model file; delete it") from None
    if foreign:
        raise ModelError(f"{path}: holds types that are not allowed: {', '.join(foreign)}; delete it")
    return MachineModel.from_parts(loads(content, trusted=[]))
