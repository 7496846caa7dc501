"""Commands killed at random moments; a seed repeats each."""

import random
import time

import pytest
from faults.story import DAY, HOT, copied, expected, put, recovered
from faults.warm import Fault

SEED = 20261124
TRIES = 52  # of both commands together; the seed of each is told where one fails


def killed_and_healed(seed, command, before, home, warm, twins, ledger) -> bool:
    """One command killed at a moment between its first and its last change; whether it was killed there."""
    chance = random.Random(seed)
    file = before / "hot.parquet"
    import_ = ["import", "readings", str(file), "--source", "line"]
    words = {"import": import_, "run": ["run", "--day", DAY]}[command]
    copied(before / {"import": "prepared", "run": "imported"}[command], home)
    pid = warm.start("faults.acts:smartmaint", [*words, "--home", str(home)], fault=Fault(home))
    time.sleep(chance.uniform(0.2, {"import": 1.5, "run": 4.0}[command]))
    warm.kill(pid)
    outcome = warm.wait(pid)
    if outcome.status != -9 or outcome.calls == 0:
        return False
    again = import_ if command == "import" else []
    findings = recovered(warm, twins, home, put(file, readings=expected(HOT)), again=again)
    ledger.note("kill -9 of a step or run at a random moment", findings)
    assert findings.breaches == (), f"seed {seed}: {command}"
    return True


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", ["import", "run"])
def test_commands_killed_at_random_moments_are_healed_by_the_next(command, before, tmp_path, warm, twins, ledger):
    done, seeds = 0, iter(range(SEED, SEED + 10 * TRIES))
    while done < TRIES // 2:
        seed = next(seeds)
        done += killed_and_healed(seed, command, before, tmp_path / str(seed), warm, twins, ledger)
