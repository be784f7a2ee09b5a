"""The embed stage: from trained networks and recordings to segments.npz."""

import functools
from pathlib import Path

import jax
import numpy as np
from ml_collections import ConfigDict

from jax_dns import components as networks
from jax_dns.components import network_settings
from jax_dns.errors import InputError
from jax_dns.fingerprints import fingerprint, is_done, is_whole, record, recorded
from jax_dns.pipeline import index as recordings
from jax_dns.pipeline.index import Machine
from jax_dns.pipeline.score_and_embed import score_and_embed
from jax_dns.segments_file import Segments, read_segments, write_segments
from jax_dns.training.loop import restore_trained


def embed(config: ConfigDict, machine: Machine, name: str, folder: Path, seed: int) -> None:
    """Scores and embeds the clips that segments.npz doesn't hold yet, and drops those gone."""
    trained = {}
    for part, settings in (("ae", config.ae), ("extractor", config.extractor)):
        trained[part] = recorded(folder / part, "done")
        if not trained[part]:
            raise InputError(
                f"{folder / part}: not trained (expected the stages train_ae and train_extractor "
                "to have run in this workdir)"
            )
        if trained[part]["settings"] != network_settings(config, settings):
            raise InputError(
                f"{folder / part}: trained with other settings of config.{part} or config.data "
                "(expected the same config as in training, or to train again)"
            )
    model = fingerprint(trained, config.data.segment, config.data.hop)
    digests = {clip.name: machine.store.digest[row] for row, clip in enumerate(machine.clips)}
    split = _splits(config, machine, seed)
    known = recorded(folder, "segments")
    old = None
    if known.get("model") == model and is_whole(folder, "segments"):
        old, _ = read_segments(folder / "segments.npz")
    keep = {
        n for n, digest in digests.items() if old is not None and known["clips"].get(n) == digest
    }
    labels = [(c.name, c.label, split[c.name]) for c in machine.clips]
    no_training = "train" not in split.values()
    if no_training and config.data.standardise == "machine":
        raise InputError(
            f"{config.data.root}: no training clips of {name} (expected them: "
            "data.standardise=machine takes mean and variance from them)"
        )
    if no_training and old is not None:
        # A folder of new clips only: the inlier model still needs the training segments.
        trained_on = set(old.clip[old.split != "test"].tolist())
        keep |= trained_on
        digests |= {n: known["clips"][n] for n in trained_on}
    key = fingerprint(model, digests, labels)
    if is_done(folder, "segments", key) and (folder / "segments.npz").is_file():
        return
    fresh = [row for row, clip in enumerate(machine.clips) if clip.name not in keep]
    parts = [old.where(np.isin(old.clip, sorted(keep)))] if keep else []
    if fresh:
        parts.append(_new_segments(config, machine, fresh, folder, trained, title=name))
    segments = Segments(*(np.concatenate(columns) for columns in zip(*parts)))
    order = np.lexsort((segments.segment, segments.clip))
    segments = _described(segments.where(order), machine, split)
    write_segments(folder / "segments.npz", segments)
    files = [folder / "segments.npz"]
    record(folder, "segments", key, files=files, model=model, clips=digests)


def _splits(config: ConfigDict, machine: Machine, seed: int) -> dict[str, str]:
    """Clip -> "train", "valid" or "test"."""
    split = {clip.name: "test" for clip in machine.clips}
    data = recordings.training_clips(config, machine, seed)
    for part, rows in data.split._asdict().items():
        split |= {data.clips[row].name: part for row in rows}
    return split


def _new_segments(config, machine, rows, folder, trained, *, title) -> Segments:
    """Segments of some clips, with scores and features but not yet domain, label and split."""
    net = networks.autoencoder(config)
    steps = networks.extractor(config, n_sections=trained["extractor"]["sections"], trained=True)
    ae = _restore(folder / "ae", net.steps.create, config.ae.keep)
    extractor = _restore(folder / "extractor", steps.create, config.extractor.keep)
    which, number, score, feature = score_and_embed(
        [(machine.store, row) for row in rows],
        functools.partial(net.score, ae.variables),
        lambda audio: steps.extract(extractor.variables, audio).feature,
        segment=networks.segment_samples(config),
        hop=networks.hop_samples(config),
        batch_size=config.extractor.embed_batch_size,
        title=title,
    )
    names = np.asarray([machine.clips[row].name for row in rows])
    blank = np.full(len(which), "")
    zero = np.zeros(len(which), np.int32)
    return Segments(
        names[which],
        number.astype(np.int32),
        zero,
        blank,
        blank,
        zero.astype(np.int8),
        score,
        feature,
    )


def _restore(folder: Path, create, keep: str):
    abstract = jax.eval_shape(create, jax.random.key(0))
    state = restore_trained(folder, abstract, keep=keep)
    if state is None:
        raise InputError(
            f"{folder}: no whole checkpoint (expected the training's; remove this folder and train "
            "again)"
        )
    return state


def _described(segments: Segments, machine: Machine, split: dict[str, str]) -> Segments:
    """Fills in what names and ground truth say today; kept rows of clips now gone stay."""
    clips = {clip.name: clip for clip in machine.clips}

    def column(now, before) -> list:
        return [now(clips[n]) if n in clips else b for n, b in zip(segments.clip, before)]

    return segments._replace(
        section=np.asarray(column(lambda c: c.section, segments.section), np.int32),
        domain=np.asarray(column(lambda c: c.domain, segments.domain)),
        split=np.asarray(column(lambda c: split[c.name], segments.split)),
        label=np.asarray(column(lambda c: c.label, segments.label), np.int8),
    )
