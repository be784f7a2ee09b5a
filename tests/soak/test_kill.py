"""SIGKILL at random moments of every stage; the same command again ends in the same bits."""

import random
import time
from pathlib import Path

import pytest
from soak import runs
from soak.runs import STAGES, assert_same, finish, stage_of, start

# Seconds within a stage, warm, on two cores; where a stage is shorter the kill falls after it.
SPREAD = {
    "start": 1.5,
    "train_generative": 3.5,
    "train_discriminative": 8.0,
    "embed": 1.5,
    "evaluate": 0.5,
}
TOY_SHARE = 0.1  # of it, with toy networks
LOG = "fan/discriminative/metrics.jsonl"


def has_lines(log: Path) -> bool:
    return log.is_file() and log.stat().st_size > 0


def kill_in(stage: str, workdir: Path, rng: random.Random) -> str:
    """Starts the run and kills it some time after it has come to `stage`; says where it was."""
    process = start(workdir)
    names = [*STAGES, "done"]
    while names.index(stage_of(workdir)) < names.index(stage):
        assert process.poll() is None, workdir.with_suffix(".log").read_text()
        time.sleep(0.0005)
    is_toy = runs.CONFIG == runs.TOY_CONFIG
    while is_toy and stage == "train_discriminative" and not has_lines(workdir / LOG):
        assert process.poll() is None, workdir.with_suffix(".log").read_text()
        time.sleep(0.0005)  # before its first epoch has ended there is nothing to resume
    share = TOY_SHARE if is_toy else 1.0
    time.sleep(share * rng.uniform(0, SPREAD.get(stage, 0.2)))
    found = stage_of(workdir) if process.poll() is None else "ended"
    process.kill()  # nothing where it ended meanwhile
    process.wait()
    return found


def killed_and_rerun(stages: list[str], workdir: Path, reference: Path, seed: int) -> list[str]:
    """Kills the run in each of the stages, in order, then lets it end; where the kills fell."""
    rng = random.Random(seed)
    fell = [kill_in(stage, workdir, rng) for stage in stages]
    code, text = finish(workdir)
    assert code == 0, text
    assert_same(workdir, reference)
    return fell


def test_killed_three_times(undisturbed, tmp_path):
    stages = ["train_discriminative", "embed", "evaluate"]
    print(killed_and_rerun(stages, tmp_path / "w", undisturbed, seed=time.time_ns()))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(3))
def test_killed_in_every_stage(undisturbed, tmp_path, seed):
    stages = [*STAGES, "train_generative", "train_discriminative", "train_discriminative"]
    stages.sort(key=list(STAGES).index)
    fell = killed_and_rerun(stages, tmp_path / "w", undisturbed, seed=seed)
    print(f"{len(fell) - fell.count('ended')} kills survived: {', '.join(fell)}")
    assert fell.count("ended") <= 2
