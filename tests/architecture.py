"""The arrows between the folders as rules over source code: each takes a root and tells what breaks it.

What stands here is docs/adr/0001 in a form that fails; `test_architecture.py` holds it against this code base.
"""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

FOLDERS = ("pipelines", "resources", "assets", "sensors", "jobs")  # each imports only from its left, or itself
SHARED = ("contracts", "identity", "failures", "register", "landing")  # of pipelines: where stages meet
COMPOSING = ("flow", "modelling", "reporting")  # of pipelines: may import every stage; no stage imports them
SCORING = ("features", "detection", "health", "prognosis", "advisory")  # must never see the truth
LABEL_HANDLERS = ("assets/acquisition.py", "assets/landing.py", "assets/serving.py")  # land and publish, never score
ENVIRONMENT_READERS = ("resources/settings.py",)

PURE = (  # what pipelines may import beside the standard library; prophet takes and gives pandas frames
    "numpy", "scipy", "polars", "pyarrow", "pandera", "sklearn", "prophet", "cmdstanpy", "pandas",
    "ortools", "pint", "jinja2", "matplotlib", "yaml",
)  # fmt: skip
OUTSIDE = ("socket", "ssl", "http", "urllib.request", "ftplib", "smtplib", "sqlite3", "subprocess")
PLACES = (
    "pathlib.Path.home", "pathlib.Path.cwd", "os.getcwd", "os.path.expanduser", "os.path.abspath", "tempfile",
)  # fmt: skip
ENVIRONMENT = ("os.environ", "os.environb", "os.getenv", "os.getenvb", "dagster.EnvVar")
CLOCK = (
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.gmtime", "time.localtime", "pandas.Timestamp.now", "pandas.Timestamp.today",
)  # fmt: skip
CHANCE = ("random", "numpy.random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.urandom")
SEEDED = (
    "random.Random", "numpy.random.default_rng", "numpy.random.RandomState", "numpy.random.SeedSequence",
    "numpy.random.PCG64", "numpy.random.Philox", "numpy.random.Generator", "numpy.random.seed",
)  # fmt: skip
DRAWING_NOTHING = (  # types in annotations; keeping NumPy's global state, which prophet draws from
    "random.Random", "numpy.random.Generator", "numpy.random.BitGenerator", "numpy.random.RandomState",
    "numpy.random.get_state", "numpy.random.set_state",
)  # fmt: skip
SQL = re.compile(
    r"\s*\(?(select\b.+\bfrom\b|with\s+\w+\s+as\s*\(|insert\s+into\b|delete\s+from\b|update\s+\S+\s+set\b"
    r"|merge\s+into\b|copy\s+\S+\s+(from|to)\b|(create|drop|alter)\s+(or\s+replace\s+)?(table|view|index|schema)\b)",
    re.IGNORECASE | re.DOTALL,
)
VAGUE = ("util", "utils", "helper", "helpers", "common")


@dataclass(frozen=True)
class Breach:
    path: str
    line: int
    told: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.told}"


@dataclass(frozen=True)
class Module:
    """One file of the code base; `path` is relative to its root, with forward slashes."""

    path: str
    tree: ast.Module

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Dotted name, such as ("pipelines", "health", "rules"); a package is its folder."""
        parts = tuple(self.path.removesuffix(".py").split("/"))
        return parts[:-1] if parts[-1] == "__init__" else parts

    @property
    def home(self) -> str:
        """The part of its folder that it belongs to, such as "health"; "" for the folder's own `__init__`."""
        return self.parts[1] if len(self.parts) > 1 else ""

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and full dotted name of all that is imported, wherever in the file and by whatever spelling."""
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                found += [(node.lineno, f"{origin}.{alias.name}") for alias in node.names]
            elif isinstance(node, ast.Call) and _last(node.func) in {"import_module", "__import__"} and node.args:
                name = node.args[0]
                if isinstance(name, ast.Constant) and isinstance(name.value, str):
                    found.append((node.lineno, name.value))
        return found

    @cached_property
    def uses(self) -> list[tuple[ast.expr, str]]:
        """Every name and attribute that goes back to an import, under its full dotted name."""
        known: dict[str, str] = {}
        found: list[tuple[ast.expr, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.name if alias.asname else alias.name.partition(".")[0]
                    known[alias.asname or bound] = bound
            elif isinstance(node, ast.ImportFrom):
                known.update({alias.asname or alias.name: f"{self._origin(node)}.{alias.name}" for alias in node.names})
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute):
                head, dot, rest = _dotted(node).partition(".")
                if head in known:
                    found.append((node, f"{known[head]}{dot}{rest}"))
        return found

    @cached_property
    def texts(self) -> list[tuple[int, str]]:
        """Line and text of every string that is no docstring; of an f-string its fixed parts in one."""
        bare = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        joined = [node for node in ast.walk(self.tree) if isinstance(node, ast.JoinedStr)]
        bare |= {id(part) for node in joined for part in node.values}
        found = [(node.lineno, "?".join(_text(part) for part in node.values)) for node in joined]
        plain = [node for node in ast.walk(self.tree) if isinstance(node, ast.Constant) and id(node) not in bare]
        return found + [(node.lineno, node.value) for node in plain if isinstance(node.value, str)]

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.parts if self.path.endswith("__init__.py") else self.parts[:-1]
        return ".".join([*package[: len(package) - node.level + 1], *filter(None, [node.module])])


def modules(root: Path, *folders: str) -> Iterator[Module]:
    for folder in folders or FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            yield _module(root, path)


@cache
def _module(root: Path, path: Path) -> Module:
    return Module(path.relative_to(root).as_posix(), ast.parse(path.read_text(encoding="utf-8")))


def folders_import_only_from_their_left(root: Path) -> list[Breach]:
    return [
        Breach(module.path, line, f"arrow to the right: {module.parts[0]} imports {name}")
        for module in modules(root)
        for line, name in module.imports
        if name.split(".")[0] in FOLDERS[FOLDERS.index(module.parts[0]) + 1 :]
    ]


def stages_meet_only_in_shared_modules(root: Path) -> list[Breach]:
    found = []
    for module in modules(root, "pipelines"):
        if module.home in COMPOSING:
            continue
        for line, name in module.imports:
            package, _, rest = name.partition(".")
            if package == "pipelines" and rest.partition(".")[0] not in (*SHARED, module.home or None):
                told = f"arrow between stages: {'.'.join(module.parts[:2])} imports {name}"
                found.append(Breach(module.path, line, told))
    return found


def pipelines_know_no_outside(root: Path) -> list[Breach]:
    return [
        Breach(module.path, line, f"pipelines must stay pure: imports {name}")
        for module in modules(root, "pipelines")
        for line, name in module.imports
        if name.partition(".")[0] not in FOLDERS and not _is_pure(name)
    ]


def pipelines_name_no_place(root: Path) -> list[Breach]:
    found = []
    for module in modules(root, "pipelines"):
        inner = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
        named = [(node.lineno, name) for node, name in module.uses if id(node) not in inner]
        found += [
            Breach(module.path, line, f"pipelines take paths as arguments: {name}")
            for line, name in named
            if _is_within(name, PLACES)
        ]
    return found


def pipelines_take_time_and_chance_as_arguments(root: Path) -> list[Breach]:
    found = []
    for module in modules(root, "pipelines"):
        calls = {id(node.func): node for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
        inner = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)}
        for node, name in module.uses:
            if name in CLOCK:
                found.append(Breach(module.path, node.lineno, f"pipelines must not look at the clock: {name}"))
            if id(node) in inner or not _is_within(name, CHANCE):
                continue
            call = calls.get(id(node))
            is_repeatable = _is_seeded(call) if call and name in SEEDED else name in DRAWING_NOTHING
            if not is_repeatable:
                found.append(Breach(module.path, node.lineno, f"pipelines must not use unseeded chance: {name}"))
    return found


def only_the_settings_read_the_environment(root: Path) -> list[Breach]:
    found = []
    for module in modules(root):
        if module.path in ENVIRONMENT_READERS:
            continue
        read = [(node.lineno, name) for node, name in module.uses if name in ENVIRONMENT]
        keywords = (node for node in ast.walk(module.tree) if isinstance(node, ast.keyword))
        read += [(keyword.value.lineno, "envvar=") for keyword in keywords if keyword.arg == "envvar"]
        found += [Breach(module.path, line, f"only {ENVIRONMENT_READERS[0]} may read: {name}") for line, name in read]
    return found


def assets_hold_no_sql(root: Path) -> list[Breach]:
    found = []
    for module in modules(root, "assets"):
        written = [line for line, text in module.texts if SQL.match(text)]
        called = [
            node.lineno
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sql"
        ]
        found += [Breach(module.path, line, "assets must not hold SQL") for line in written + called]
    return found


def nothing_that_scores_sees_the_labels(root: Path) -> list[Breach]:
    found = [
        Breach(module.path, line, "only what lands or publishes labels may name the table")
        for module in modules(root, "assets")
        for line, text in module.texts
        if text == "labels" and module.path not in LABEL_HANDLERS
    ]
    found += [
        Breach(module.path, line, f"pipelines.{module.home} must not know the labels")
        for module in modules(root, "pipelines")
        for line, name in module.imports
        if module.home in SCORING and _is_within(name, ("pipelines.contracts.labels",))
    ]
    return found


def modules_have_a_subject(root: Path) -> list[Breach]:
    return [
        Breach(module.path, 1, f"a module has one subject; `{part}` has none")
        for module in modules(root, *FOLDERS, "tests")
        for part in module.parts
        if part in VAGUE
    ]


RULES: tuple[Callable[[Path], list[Breach]], ...] = (
    folders_import_only_from_their_left,
    stages_meet_only_in_shared_modules,
    pipelines_know_no_outside,
    pipelines_name_no_place,
    pipelines_take_time_and_chance_as_arguments,
    only_the_settings_read_the_environment,
    assets_hold_no_sql,
    nothing_that_scores_sees_the_labels,
    modules_have_a_subject,
)


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else _dotted(node)


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_within(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(f"{root}.") for root in roots)


def _is_pure(name: str) -> bool:
    is_known = name.partition(".")[0] in sys.stdlib_module_names or _is_within(name, PURE)
    return is_known and not _is_within(name, OUTSIDE)


def _is_seeded(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return any(not (isinstance(value, ast.Constant) and value.value is None) for value in given)
