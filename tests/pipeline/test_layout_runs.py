"""A run on a small tree of each layout, from recordings to the table."""

import csv
import zlib

import numpy as np
import pytest
from conftest import write_clip

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.segments_file import read_segments
from jax_dns.types import FittedModel


def quarters(facts):
    """A feature space for the test: the level of each quarter of a segment."""

    def features(variables, audio):
        return np.asarray(audio).reshape(len(audio), 4, -1).std(-1)

    return FittedModel("Quarters", lambda batches, seed: {}, features)


def settings(root, *, sections=(0, 1), seconds=1.0):
    """Parts that take no training; section 0 develops, the last one is reported."""
    c = config.get_config()
    c.data.root = str(root)
    c.data.dev_sections, c.data.eval_sections = sections[:1], sections[-1:]
    c.data.segment_seconds = c.data.segment_hop_seconds = seconds
    c.generative = config.generative("frame_pca", n_components=4, n_mels=16)
    c.discriminative = config.discriminative(f"{__name__}:quarters", eval_batch_size=8)
    c.inlier, c.smoothing.ks = config.inlier("knn"), (1, 2)
    c.evaluation.figures = c.evaluation.report = False
    return c


def write_tree(root, paths, **options):
    """Writes noise at each path; "{a,b}" in a path stands for each of a and b."""
    for path in paths:
        head, brace, rest = path.partition("{")
        if brace:
            choices, _, tail = rest.partition("}")
            write_tree(root, [f"{head}{choice}{tail}" for choice in choices.split(",")], **options)
        else:
            write_clip(root / path, seed=zlib.crc32(path.encode()), **options)
    return root


def methods(workdir):
    with (workdir / "results.csv").open() as file:
        return {row["method"] for row in csv.DictReader(file)}


SECTIONS = "section_0{0,1}"
TREES = {
    "dcase2020": ["fan/train/normal_id_0{0,1}_0000000{0,1,2}.wav"]
    + ["fan/test/{normal,anomaly}_id_0{0,1}_0000000{0,1}.wav"],
    "dcase2021": [f"dev_data/fan/train/{SECTIONS}_{{source,target}}_train_normal_000{{0,1,2}}.wav"]
    + [
        f"dev_data/fan/{d}_test/{SECTIONS}_{d}_test_{{normal,anomaly}}_000{{0,1}}.wav"
        for d in ("source", "target")
    ],
    "dcase2022": [f"fan/train/{SECTIONS}_{{source,target}}_train_normal_000{{0,1,2}}_n_A.wav"]
    + [f"fan/test/{SECTIONS}_{{source,target}}_test_{{normal,anomaly}}_000{{0,1}}_n_A.wav"],
    "dcase2023": ["fan/train/section_00_{source,target}_train_normal_000{0,1,2}_n_A.wav"]
    + ["fan/test/section_00_{source,target}_test_{normal,anomaly}_000{0,1}_n_A.wav"]
    + ["fan/supplemental/section_00_noise_0000.wav"],
    "mimii": ["0_dB_fan/fan/id_0{0,1}/normal/0000000{0,1,2,3,4,5}.wav"]
    + ["0_dB_fan/fan/id_0{0,1}/abnormal/0000000{0,1}.wav"],
    "folders": ["press/line_{0,1}/normal/{0,1,2,3,4,5}.wav"]
    + ["press/line_{0,1}/abnormal/{0,1}.wav"],
}


@pytest.mark.parametrize("layout", TREES)
def test_runs(tmp_path, layout, capsys):
    channels = {"mimii": 8}.get(layout, 1)
    root = write_tree(tmp_path / "data", TREES[layout], channels=channels)
    c = settings(root, sections=(0,) if layout == "dcase2023" else (0, 1))
    c.data.channel = 3 if channels > 1 else -1
    run(c, tmp_path / "w")
    assert f"layout of {root}: {layout} " in capsys.readouterr().out
    assert {"Frame PCA", "Quarters"} <= methods(tmp_path / "w")
    (machine,) = {path.name for path in root.iterdir()} - {"dev_data"} or {"fan"}
    segments, _ = read_segments(tmp_path / "w" / machine / "segments.npz")
    domains = {"source", "target"} if "dcase202" in layout and layout[-1] != "0" else {"source"}
    assert set(segments.domain) == domains
    assert set(segments.label[segments.split == "test"]) == {0, 1}


def test_two_channels_of_2026(tmp_path):
    """`data.channel` chooses one; without it the recordings are refused by name."""
    tree = TREES["dcase2023"]
    root = write_tree(tmp_path / "data", tree, channels=2)
    c = settings(root, sections=(0,))
    with pytest.raises(InputError, match=r"2 channels.*data\.channel"):
        run(c, tmp_path / "w")
    c.data.channel = 1
    run(c, tmp_path / "w")
    assert "Proposed" in methods(tmp_path / "w")


def test_the_target_domain_absent(tmp_path):
    """No error and no rows of a domain that isn't there."""
    tree = [
        "fan/train/section_0{0,1}_source_train_normal_000{0,1,2}.wav",
        "fan/source_test/section_0{0,1}_source_test_{normal,anomaly}_000{0,1}.wav",
    ]
    run(settings(write_tree(tmp_path / "data", tree)), tmp_path / "w")
    with (tmp_path / "w/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows and "target" not in {row["domain"] for row in rows}
    assert all(row["auc"] not in ("", "nan") for row in rows)


def test_no_anomalies_gives_scores_and_says_why_there_is_no_table(tmp_path):
    root = write_tree(tmp_path / "data", ["press/normal/{0,1,2,3,4,5,6,7}.wav"])
    run(settings(root, sections=(0,)), tmp_path / "w")
    assert (
        "No section has labelled test clips of both classes: no tables."
        in (tmp_path / "w/results.txt").read_text()
    )
    assert (tmp_path / "w/press/scores.csv").is_file()


def test_the_genuine_clips_as_they_lie(shared, tmp_path, capsys):
    """28 clips of 2023 in the folders of 2021, one section: what is there is evaluated."""
    c = settings(shared / "dcase_clips", sections=(0,), seconds=2.0)
    run(c, tmp_path / "w")
    assert ": dcase2021 (data.layout names another)" in capsys.readouterr().out
    assert {"Frame PCA", "Quarters"} <= methods(tmp_path / "w")
    for machine in ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"):
        segments, _ = read_segments(tmp_path / "w" / machine / "segments.npz")
        assert len(set(segments.clip)) == 4 and np.isfinite(segments.score).all()


def test_the_genuine_clips_under_their_years_layout(shared, tmp_path, capsys):
    for path in sorted((shared / "dcase_clips").glob("*/*/*.wav")):
        folder = tmp_path / "data" / path.parts[-3] / path.parts[-2].rpartition("_")[2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path)
    c = settings(tmp_path / "data", sections=(0,), seconds=2.0)
    c.data.machines = "bearing,valve"
    run(c, tmp_path / "w")
    assert ": dcase2023 (data.layout names another)" in capsys.readouterr().out
    segments, _ = read_segments(tmp_path / "w/valve/segments.npz")
    assert set(segments.domain[segments.split == "test"]) == {"target"}


def test_a_wrong_tree_is_one_line(tmp_path):
    root = write_tree(tmp_path / "data", ["fan/train/sec_00_source_train_normal_0000.wav"])
    with pytest.raises(InputError) as error:
        run(settings(root), tmp_path / "w")
    text = str(error.value)
    assert "fan/train/sec_00_source_train_normal_0000.wav" in text and "\n" not in text
    assert "expected one of dcase2020" in text and "the nearest is dcase2021, such as" in text
