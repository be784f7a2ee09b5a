"""What a run will do and why, printed before it starts."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from jax_dns.errors import InputError
from jax_dns.fingerprints import fingerprint, is_done, read_stamp
from jax_dns.pipeline import baselines, embed, evaluate, fit, smooth
from jax_dns.pipeline.index import Machines
from jax_dns.pipeline.method_results import Folders, segments_digest
from jax_dns.pipeline.training_tasks import (
    DONE,
    Task,
    describe,
    network_settings,
    resumable_step,
)
from jax_dns.pipeline.validate_config import fields_by_name
from jax_dns.types import StoredFeatures

NOTHING = "nothing to do: every stage is done, with this config and these recordings"
MISSING = object()
Tasks = Mapping[str, list[Task]]  # kind -> trainings to do


class StagePlan(NamedTuple):
    """What a stage has to do."""

    stage: str
    is_done: bool
    text: str


def make_plan(
    config: ConfigDict,
    earlier: ConfigDict | None,
    machines: Machines,
    folders: Folders,
    workdir: Path,
    stages: tuple[str, ...],
    tasks: Tasks,
) -> list[StagePlan]:
    """Finds what each stage has to do.

    Args:
      config: of the run.
      earlier: the config of the workdir's last run; None where there was none.
      machines: recordings.
      folders: seed -> machine type -> its folder.
      workdir: of the run.
      stages: those of the run.
      tasks: the trainings to do.

    Raises:
      InputError: a component that isn't trained, where its training isn't among the stages.
    """
    plans: list[StagePlan] = []

    def add(stage: str, is_done: bool, text: str) -> None:
        if stage in stages:
            plans.append(StagePlan(stage, is_done, "done" if is_done else text))

    def why(key: Callable[[ConfigDict], Any], otherwise: str) -> str:
        return _reasons(earlier, config, key) or otherwise

    places = [(s, name, f) for s, by_name in folders.items() for name, f in by_name.items()]
    for kind in ("generative", "discriminative"):
        stored = isinstance(describe(config, kind), StoredFeatures)
        todo = tasks.get(kind, [])
        text = "features are read from a file" if stored else _trainings(config, kind, todo)
        reason = why(lambda c, kind=kind: network_settings(c, kind), _changed(config, kind, todo))
        add(f"train_{kind}", not todo and not stored, f"{text}{reason and f': {reason}'}")
    if any(tasks.values()):
        add("embed", False, "after the trainings")
    elif "embed" in stages:
        todo = [embed.pending(config, machines[n], n, folder, seed) for seed, n, folder in places]
        clips = sum(len(one.new) for one in todo)
        text = f"{clips} new or changed clips" if clips else "clips that are gone or relabelled"
        add("embed", all(one.is_done for one in todo), text)
    embedded = all(plan.is_done for plan in plans if plan.stage == "embed")
    for stage, current in (("fit", _is_fitted), ("smooth", _is_smoothed)):
        if stage in stages:
            done = embedded and all(current(config, seed, f, stages) for seed, _, f in places)
            keys = {
                "fit": lambda c: fit.fit_key(c, 0, ""),
                "smooth": lambda c: baselines.baselines_key(c, 0, "", is_fitted=True),
            }
            reason = why(keys[stage], "to do")
            add(stage, done, reason if embedded else "after embed")
    ready = all(plan.is_done for plan in plans)
    done = ready and evaluate.is_evaluated(config, workdir, folders, set(stages))
    reason = why(_evaluation_settings, "to do") if ready else "after the stages before"
    for stage in ("select", "evaluate"):
        add(stage, done, reason)
    return plans


def _is_fitted(config: ConfigDict, seed: int, folder: Path, stages: tuple[str, ...]) -> bool:
    return is_done(folder, fit.STAMP, fit.fit_key(config, seed, segments_digest(folder)))


def _is_smoothed(config: ConfigDict, seed: int, folder: Path, stages: tuple[str, ...]) -> bool:
    digest = segments_digest(folder)
    fitted = "fit" in stages or baselines.is_fitted(config, folder, seed)
    key = baselines.baselines_key(config, seed, digest, is_fitted=fitted)
    return is_done(folder, smooth.STAMP, smooth.smooth_key(config, digest)) and is_done(
        folder, baselines.STAMP, key
    )


def format_plan(plans: list[StagePlan]) -> str:
    """Formats a plan: a line for each stage, or one line where everything is done."""
    if all(plan.is_done for plan in plans):
        return NOTHING
    return "\n".join(["plan:", *(f"  {plan.stage:<21} {plan.text}" for plan in plans)])


def _trainings(config: ConfigDict, kind: str, todo: list[Task]) -> str:
    """Counts the trainings to resume and to start."""
    resumed = sum(resumable_step(config, kind, task) > 0 for task in todo)
    name, fresh = describe(config, kind).name, len(todo) - resumed
    parts = [f"{n} {name} to {verb}" for n, verb in ((resumed, "resume"), (fresh, "train")) if n]
    return ", ".join(parts)


def _changed(config: ConfigDict, kind: str, todo: list[Task]) -> str:
    """Tells why finished trainings are to be repeated where no field of the config tells."""
    stamps = [stamp for task in todo if (stamp := read_stamp(task.folder, DONE))]
    if not stamps:
        return ""
    if any(stamp.get("settings") != network_settings(config, kind) for stamp in stamps):
        return "trained with other settings or other code"
    return "training clips have changed, or a checkpoint is damaged"


def _evaluation_settings(config: ConfigDict) -> str:
    sections = [list(config.data.dev_sections), list(config.data.eval_sections)]
    return fingerprint(sections, config.evaluation)


def _reasons(
    earlier: ConfigDict | None, config: ConfigDict, key: Callable[[ConfigDict], Any]
) -> str:
    """Lists the changed fields that each alone change `key`."""
    if earlier is None:
        return ""
    return "; ".join(
        f"{name} is {new}, was {old}"
        for name, old, new in changed_fields(earlier, config)
        if _changes(earlier, name, fields_by_name(config).get(name, MISSING), key)
    )


def changed_fields(earlier: ConfigDict, config: ConfigDict) -> list[tuple[str, str, str]]:
    """Lists the fields that differ: name, value in `earlier`, value in `config`."""
    before, after = fields_by_name(earlier), fields_by_name(config)
    changed = []
    for name in dict.fromkeys((*before, *after)):
        old, new = (_plain(fields.get(name, MISSING)) for fields in (before, after))
        if old != new:
            shown = ("absent" if value is MISSING else repr(value) for value in (old, new))
            changed.append((name, *shown))
    return changed


def _changes(earlier: ConfigDict, name: str, value: Any, key: Callable[[ConfigDict], Any]) -> bool:
    """Returns whether one field's new value changes the key."""
    trial = earlier.copy_and_resolve_references()
    section, _, field = name.partition(".")
    with trial.unlocked():
        holder = trial[section] if field else trial
        field = field or section
        if field in holder:
            del holder[field]
        if value is not MISSING:
            holder[field] = value
    try:
        return key(trial) != key(earlier)
    except (InputError, AttributeError, KeyError):  # a field of another component
        return True


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value
