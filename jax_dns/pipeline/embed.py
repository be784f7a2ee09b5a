"""The embed stage: from trained components and recordings to segments.npz."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array
from ml_collections import ConfigDict

from jax_dns.components import build
from jax_dns.errors import InputError
from jax_dns.fingerprints import fingerprint, is_done, is_whole, read_stamp, write_stamp
from jax_dns.pipeline.index import Machine, hop_samples, segment_samples, training_clips
from jax_dns.pipeline.score_and_embed import score_and_embed
from jax_dns.pipeline.training_tasks import DONE, describe, model_folder, network_settings
from jax_dns.segments_file import Segments, read_segments, write_segments
from jax_dns.training.fitted import MACHINE, read_fitted
from jax_dns.training.loop import restore_trained
from jax_dns.training.steps import abstract_state, jitted_apply
from jax_dns.types import Facts, GradientModel, StoredFeatures

KINDS = ("generative", "discriminative")
STAMP = "segments"


class Applied(NamedTuple):
    """A trained component: audio [b, t] -> its output, for each section or for all of them."""

    name: str
    by_section: dict[str, Callable[[Array], Array]]

    def of(self, section: int) -> Callable[[Array], Array]:
        """Returns the function for a section's clips.

        Raises:
          InputError: the component was fitted without this section.
        """
        found = self.by_section.get(str(section), self.by_section.get(MACHINE))
        if found is None:
            raise InputError(
                f"component {self.name}: not fitted on section {section}, "
                "expected training clips of each section"
            )
        return found


class Pending(NamedTuple):
    """What the embed stage has to do for one machine type and seed."""

    key: str  # fingerprint of the result
    is_done: bool
    new: list[int]  # rows of the clips to score and embed
    keep: set[str]  # clips whose segments are taken over
    old: Segments | None  # that hold them
    split: dict[str, str]  # clip -> "train", "valid" or "test"
    stamps: dict[str, dict]  # kind -> stamp of its training
    entries: dict[str, Any]  # of the stage's stamp


def pending(
    config: ConfigDict,
    machine: Machine,
    name: str,
    folder: Path,
    seed: int,
    *,
    trained: Path | None = None,
    with_history: bool = False,
) -> Pending:
    """Finds what the embed stage has to do; the arguments and errors are those of `embed`."""
    stamps = {kind: stamp_of(config, kind, name, trained or folder) for kind in KINDS}
    model = fingerprint(stamps, config.data.segment_seconds, config.data.segment_hop_seconds)
    digests = {clip.name: machine.store.digest[row] for row, clip in enumerate(machine.clips)}
    split = _splits(config, machine, seed)
    stamp = read_stamp(folder, STAMP)
    old = None
    if stamp.get("model") == model and is_whole(folder, STAMP):
        old, _ = read_segments(folder / "segments.npz")
    elif trained is not None:
        old, _ = read_segments(trained / "segments.npz")
        old = old if with_history else old.where(old.split != "test")
        stamp = read_stamp(trained, STAMP)
    known = {} if old is None else {n: stamp["clips"][n] for n in np.unique(old.clip).tolist()}
    keep = {n for n, digest in digests.items() if known.get(n) == digest}
    labels = [(c.name, c.label, split[c.name]) for c in machine.clips]
    no_training = "train" not in split.values()
    if no_training and config.data.standardise == "machine":
        raise InputError(
            f"{config.data.root}: no training clips of {name} (expected them: "
            "data.standardise=machine takes mean and variance from them)"
        )
    if no_training and trained is None and old is not None:
        raise InputError(
            f"{config.data.root}: no training clips of {name}; its results in {folder} would be "
            f"lost (expected: jax-dns score --workdir={folder.parent} --data=NEW --out=DIR)"
        )
    if trained is not None and old is not None:
        keep |= known.keys() - digests.keys()
        digests = known | digests
    key = fingerprint(model, digests, labels)
    current = is_done(folder, STAMP, key) and (folder / "segments.npz").is_file()
    new = [row for row, clip in enumerate(machine.clips) if clip.name not in keep]
    return Pending(key, current, new, keep, old, split, stamps, dict(model=model, clips=digests))


def embed(
    config: ConfigDict,
    machine: Machine,
    name: str,
    folder: Path,
    seed: int,
    *,
    trained: Path | None = None,
    with_history: bool = False,
) -> None:
    """Scores and embeds the clips that segments.npz doesn't hold yet, and drops those gone.

    Args:
      config: of the run.
      machine: recordings of one machine type.
      name: the machine type.
      folder: of the machine type's results.
      seed: of the training.
      trained: folder of the machine type in the run that trained the components, whose training
        segments are taken over; None: `folder`.
      with_history: take over that run's test segments too.

    Raises:
      InputError: a component that isn't trained, or was trained with other settings; new clips
        where the results of a training would be lost.
    """
    todo = pending(config, machine, name, folder, seed, trained=trained, with_history=with_history)
    if todo.is_done:
        return
    parts = []
    if todo.keep:
        parts.append(todo.old.where(np.isin(todo.old.clip, sorted(todo.keep))))
    if todo.new:
        options = dict(name=name, title=f"{name}, seed {seed}")
        models = trained or folder
        parts.append(_new_segments(config, machine, todo.new, models, todo.stamps, **options))
    segments = Segments(*(np.concatenate(columns) for columns in zip(*parts)))
    order = np.lexsort((segments.segment, segments.clip))
    segments = _described(segments.where(order), machine, todo.split)
    write_segments(folder / "segments.npz", segments)
    files = [folder / "segments.npz"]
    write_stamp(folder, STAMP, todo.key, files=files, **todo.entries)


def stamp_of(config: ConfigDict, kind: str, name: str, folder: Path) -> dict[str, Any]:
    """Returns what identifies a trained component, or stored features.

    Args:
      config: of the run.
      kind: "generative" or "discriminative".
      name: the machine type.
      folder: of the machine type in the run that trained it.

    Raises:
      InputError: it isn't trained, or was trained with other settings.
    """
    component = describe(config, kind)
    if isinstance(component, StoredFeatures):
        return {"features": component.digest(name)}
    return _training_stamp(config, kind, folder)


def _training_stamp(config: ConfigDict, kind: str, folder: Path) -> dict[str, Any]:
    place = model_folder(config, kind, folder)
    stamp = read_stamp(place, DONE)
    if not stamp:
        raise InputError(
            f"{place}: not trained (expected the stage train_{kind} to have run in this workdir)"
        )
    if stamp["settings"] != network_settings(config, kind):
        raise InputError(
            f"{place}: trained with other settings or other code of config.{kind} or with other "
            "config.data (expected the same as in training, or to train again)"
        )
    return stamp


def _splits(config: ConfigDict, machine: Machine, seed: int) -> dict[str, str]:
    """Returns "train", "valid" or "test" for each clip."""
    split = {clip.name: "test" for clip in machine.clips}
    data = training_clips(config, machine, seed)
    for part, rows in data.split._asdict().items():
        split |= {data.clips[row].name: part for row in rows}
    return split


def _new_segments(
    config: ConfigDict,
    machine: Machine,
    rows: list[int],
    folder: Path,
    stamps: dict[str, dict],
    *,
    name: str,
    title: str,
) -> Segments:
    """Scores and embeds some clips' segments; domain, label and split are filled in later."""
    stored = describe(config, "discriminative")
    generative, discriminative = (
        Applied(stored.name, {MACHINE: lambda audio: np.zeros((len(audio), 1), np.float32)})
        if isinstance(stored, StoredFeatures) and kind == "discriminative"
        else restore_component(config, kind, model_folder(config, kind, folder), stamps[kind])
        for kind in KINDS
    )
    per_section = any(
        MACHINE not in component.by_section for component in (generative, discriminative)
    )
    by_section: dict[int, list[int]] = {}
    for row in rows:
        by_section.setdefault(machine.clips[row].section if per_section else 0, []).append(row)
    parts = []
    for section, some in sorted(by_section.items()):
        which, number, score, feature = score_and_embed(
            [(machine.store, row) for row in some],
            generative.of(section),
            discriminative.of(section),
            segment=segment_samples(config),
            hop=hop_samples(config),
            batch_size=config.discriminative.eval_batch_size,
            title=title,
            names=(generative.name, discriminative.name),
        )
        clips = np.asarray([machine.clips[row].name for row in some])
        if isinstance(stored, StoredFeatures):
            feature = stored.lookup(name, clips[which], number)
        blank, zero = np.full(len(which), ""), np.zeros(len(which), np.int32)
        parts.append(
            Segments(
                clips[which],
                number.astype(np.int32),
                zero,
                blank,
                blank,
                zero.astype(np.int8),
                score,
                feature,
            )
        )
    return Segments(*(np.concatenate(columns) for columns in zip(*parts)))


def restore_component(
    config: ConfigDict, kind: str, folder: Path, stamp: dict[str, Any]
) -> Applied:
    """Restores a trained component.

    Args:
      config: of the run.
      kind: "generative" or "discriminative".
      folder: of its training.
      stamp: of its training.

    Returns:
      Its function of audio.

    Raises:
      InputError: there is no whole checkpoint.
    """
    n_labels = tuple((name, n) for name, n in stamp["n_labels"])
    facts = Facts(config.data.sample_rate, segment_samples(config), stamp["n_sections"], n_labels)
    model = build(config, kind, facts, trained=True)
    apply = jitted_apply(model) if isinstance(model, GradientModel) else model.apply

    def bound(variables: Any) -> Callable[[Array], Array]:
        return lambda audio: apply(variables, audio)

    if not isinstance(model, GradientModel):
        models = read_fitted(folder) or {MACHINE: {}}
        return Applied(model.name, {key: bound(v) for key, v in models.items()})
    state = restore_trained(folder, abstract_state(model), checkpoint=config[kind].checkpoint)
    if state is None:
        raise InputError(
            f"{folder}: no whole checkpoint (expected the training's; remove this folder and train "
            "again)"
        )
    return Applied(model.name, {MACHINE: bound(state.variables)})


def _described(segments: Segments, machine: Machine, split: dict[str, str]) -> Segments:
    """Fills in what names and ground truth tell today; kept rows of clips now gone stay."""
    clips = {clip.name: clip for clip in machine.clips}

    def column(current: Callable[[Any], Any], before: np.ndarray) -> list:
        return [current(clips[n]) if n in clips else b for n, b in zip(segments.clip, before)]

    return segments._replace(
        section=np.asarray(column(lambda c: c.section, segments.section), np.int32),
        domain=np.asarray(column(lambda c: c.domain, segments.domain)),
        split=np.asarray(column(lambda c: split[c.name], segments.split)),
        label=np.asarray(column(lambda c: c.label, segments.label), np.int8),
    )
