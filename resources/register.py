"""The register and crew files of a home: read at every use, so that an edit counts from the next run on."""

from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.register import Register, RegisterError, Source, parse_register
from resources.keeping import alone


class RegisterFile(dg.ConfigurableResource["RegisterFile"]):
    """Where `machines.toml` and `crew.toml` lie."""

    machines: str
    crew: str

    def load(self) -> Register:
        """What is declared now.

        Raises:
            RegisterError: The file is missing or says something unreadable; names the file and the place.
        """
        return _parsed(Path(self.machines))

    def crew_text(self) -> str:
        """The crew file as it stands."""
        try:
            return Path(self.crew).read_text(encoding="utf-8")
        except OSError as error:
            raise RegisterError(
                f"{self.crew}: {error.strerror}; restore it, or delete it to get the template"
            ) from None

    def declare_source(self, source: Source) -> None:
        """Add a source that is not declared yet to the end of the file, in the form a person would write.

        Raises:
            RegisterError: It is declared with another importer, or another mapping.
        """
        path = Path(self.machines)
        with alone(path.parent):  # of two that add at once, one would take the other's entry away
            declared = _parsed(path).sources.get(source.name)
            if declared is None:
                _append(path, _entry(source))
        if declared is not None and source.table is not None and declared.table != source.table:
            raise RegisterError(
                f"{path}: source {source.name!r} is declared with another mapping; change it there, or give the new "
                "data a name of its own with --source"
            )
        if declared is not None and declared.importer != source.importer:
            raise RegisterError(
                f"{path}: source {source.name!r} is declared with importer {declared.importer!r}, not "
                f"{source.importer!r}; give the new data a name of its own with --source"
            )

    def declare(self, text: str) -> None:
        """Add whole entries, as `smartmaint demo` does for its plant, unless they stand there already."""
        path = Path(self.machines)
        with alone(path.parent):
            if text not in path.read_text(encoding="utf-8"):
                _append(path, text)


def _parsed(path: Path) -> Register:
    try:
        return parse_register(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RegisterError(f"{path}: {error.strerror}; restore it, or delete it to get the template") from None
    except (RegisterError, UnicodeDecodeError) as error:
        raise RegisterError(f"{path}: {error}") from None


def _append(path: Path, text: str) -> None:
    whole = path.read_text(encoding="utf-8").rstrip("\n") + "\n\n" + text
    try:
        parse_register(whole)  # never write what could not be read again
    except RegisterError as error:
        raise RegisterError(f"{path}: an entry could not be added: {error}; add it by hand:\n{text}") from None
    part = path.with_name(f".{path.name}.part")
    part.write_text(whole, encoding="utf-8")
    part.replace(path)


def _entry(source: Source) -> str:
    import tomlkit

    entry: dict[str, Any] = {"importer": source.importer, "window": source.window}
    if source.healthy is not None:
        entry["healthy"] = list(source.healthy)
    if source.table is not None:
        entry["table"] = dict(source.table)
    return tomlkit.dumps({"sources": {source.name: entry}})
