"""Tables written as plants write them, for tests of what reads them."""

import gzip
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Dialect(NamedTuple):
    """How a table is written down."""

    separator: str = ","
    decimal: str = "."
    quotes_all: bool = False
    end: str = "\n"
    mark: bool = False
    packed: str = ""


def cell(text: str, dialect: Dialect) -> str:
    if dialect.quotes_all or any(sign in text for sign in (dialect.separator, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text


def number(value: float | None, dialect: Dialect) -> str:
    return "" if value is None else repr(value).replace(".", dialect.decimal)


def write(folder: Path, name: str, rows: Sequence[Sequence[str]], dialect: Dialect = Dialect()) -> Path:  # noqa: B008
    text = "".join(dialect.separator.join(cell(text, dialect) for text in row) + dialect.end for row in rows)
    content = (b"\xef\xbb\xbf" if dialect.mark else b"") + text.encode()
    if dialect.packed == "gz":
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        return folder / f"{name}.gz"
    if dialect.packed == "zip":
        return zipped(folder / f"{name}.zip", {name: content})
    (folder / name).write_bytes(content)
    return folder / name


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    path.write_bytes(packed.getvalue())
    return path
