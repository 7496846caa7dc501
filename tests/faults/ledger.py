"""The table of faults: what was tried how often, what it cost, and whether anybody had to help."""

from dataclasses import dataclass, field

from faults.invariants import Findings

TABLE = """\
# Faults that were provoked, and what they cost

Printed by `make faults`: every try breaks a real home (a process killed, a disk filled, a file cut), lets the product
recover by one further plain `smartmaint run` or a restart of `smartmaint up`, and holds `tests/faults/invariants.py`
against what is there. A try counts only if the fault met a change in flight. `lost` and `doubled` count files and
readings over all tries. `make faults FAULTS=n` tries n points of each kind.

| Fault | Tries | Lost | Doubled | Healed by itself |
|---|---:|---:|---:|---|
"""


@dataclass
class Line:
    """Attributes:
    tries: Tries in which the fault met a change in flight.
    lost: Files and readings that were nowhere afterwards.
    doubled: Readings that were there more than once.
    unhealed: Tries after which a rule was broken.
    """

    tries: int = 0
    lost: int = 0
    doubled: int = 0
    unhealed: int = 0


@dataclass
class Ledger:
    """Counts by fault, in the order in which the faults were first tried."""

    lines: dict[str, Line] = field(default_factory=dict)

    def note(self, fault: str, findings: Findings, *, tries: int = 1) -> None:
        """Count one look at a home, after one fault or several of a kind."""
        line = self.lines.setdefault(fault, Line())
        line.tries += tries
        line.lost += findings.lost
        line.doubled += findings.doubled
        line.unhealed += bool(findings)

    def rendered(self) -> str:
        return TABLE + "".join(_row(fault, line) for fault, line in sorted(self.lines.items()))


def _row(fault: str, line: Line) -> str:
    healed = "yes" if not line.unhealed else f"not in {line.unhealed}"
    return f"| {fault} | {line.tries} | {line.lost} | {line.doubled} | {healed} |\n"
