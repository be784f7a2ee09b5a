"""The synthetic factory's files."""

import json
import subprocess
import sys

import pytest
import soundfile

from jax_dns.datasets import synthetic
from jax_dns.datasets.synthetic import clip, make_factory

COUNTS = dict(train_source=2, train_target=1, test_normal=2, test_anomaly=3)
SMALL = dict(seed=3, machines=("fan", "valve"), sections=(0, 3), dev_sections=(0,), **COUNTS)
SMALL |= dict(seconds=1.0, progress=False)


def contents(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*.wav")}


@pytest.fixture(scope="module")
def factory(tmp_path_factory):
    return make_factory(tmp_path_factory.mktemp("factory") / "root", **SMALL)


def test_layout_names_and_counts(tmp_path):
    counts = {("fan", 3, "target"): (1, 2)}
    root = make_factory(tmp_path, **{**SMALL, "machines": ("fan",)}, test_counts=counts)
    expected = set()
    for half, section in (("dev_data", 0), ("eval_data", 3)):
        for domain, train in (("source", 2), ("target", 1)):
            normal, anomaly = counts.get(("fan", section, domain), (2, 3))
            stem = f"section_{section:02d}_{domain}"
            for folder, name, n in (
                ("train", "train_normal", train),
                (f"{domain}_test", "test_normal", normal),
                (f"{domain}_test", "test_anomaly", anomaly),
            ):
                expected |= {f"{half}/fan/{folder}/{stem}_{name}_{i:04d}.wav" for i in range(n)}
    assert set(contents(root)) == expected
    assert json.loads((root / "factory.json").read_text())["complete"] is True


def test_machines_that_only_give_outliers_have_no_test_clips(factory, tmp_path):
    counts = {"train": 3, "source_test": 5, "target_test": 5}
    root = make_factory(tmp_path, **SMALL, tested=("valve",))
    for machine, folders in (("valve", counts), ("fan", {"train": 3})):
        found = {p.name: len(list(p.iterdir())) for p in (root / "dev_data" / machine).iterdir()}
        assert found == folders
    everything = make_factory(tmp_path, **SMALL)
    assert contents(everything) == contents(factory)


def test_recordings_are_16_bit_mono_of_the_length_asked_for(factory):
    sizes = set()
    for path in factory.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.subtype, info.channels, info.samplerate) == ("PCM_16", 1, 16000)
        assert info.frames == 16000
        sizes.add(path.stat().st_size)
    assert len(sizes) == 1  # a file's size tells nothing of its label


def test_a_recording_does_not_depend_on_how_many_others_there_are(factory, tmp_path):
    more = make_factory(
        tmp_path,
        **{**SMALL, "machines": ("valve",), "sections": (0, 3, 4), "train_source": 3},
        test_counts={("valve", 0, "source"): (4, 4)},
    )
    ours, theirs = contents(factory), contents(more)
    common = ours.keys() & theirs.keys()
    assert len(common) == 2 * (3 + 2 * 5)
    assert all(ours[name] == theirs[name] for name in common)
    assert len(set(theirs.values())) == len(theirs)  # and no two are the same


def test_the_same_in_another_process():
    code = (
        "import hashlib; from jax_dns.datasets.synthetic import clip;"
        "print(hashlib.md5(clip('pump', 1, 'target', 1, 2, 'test', seconds=1.0)).hexdigest())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": h}, capture_output=True, check=True
        ).stdout
        for h in ("1", "2")
    }
    assert len(runs) == 1


def test_hidden_labels_go_to_the_ground_truth(factory, tmp_path):
    hidden = make_factory(tmp_path, **SMALL, eval_labels=False)
    labelled, found = contents(factory), contents(hidden)
    shuffled = False
    for machine in SMALL["machines"]:
        for domain in ("source", "target"):
            stem = f"section_03_{domain}_test"
            truth = hidden / "ground_truth" / f"ground_truth_{machine}_{stem}.csv"
            rows = [line.split(",") for line in truth.read_text().splitlines()]
            assert [name for name, _ in rows] == [f"{stem}_{i:04d}.wav" for i in range(5)]
            folder = f"eval_data/{machine}/{domain}_test"
            for label, word, n in (("0", "normal", 2), ("1", "anomaly", 3)):
                named = {labelled[f"{folder}/{stem}_{word}_{i:04d}.wav"] for i in range(n)}
                assert {found.pop(f"{folder}/{name}") for name, v in rows if v == label} == named
            shuffled |= [v for _, v in rows] != sorted(v for _, v in rows)
    assert shuffled
    assert all(labelled[name] == sound for name, sound in found.items())  # nothing else moved


def test_a_second_call_makes_only_what_is_missing(tmp_path, monkeypatch):
    root = make_factory(tmp_path, **SMALL)
    before = contents(root)
    lost = sorted(root.rglob("*.wav"))[3:6]
    for path in lost:
        path.unlink()
    made = []
    monkeypatch.setattr(synthetic, "clip", lambda *a, **k: made.append(a) or clip(*a, **k))
    make_factory(tmp_path, **SMALL)
    assert len(made) == len(lost) and contents(root) == before
    make_factory(tmp_path, **SMALL)
    assert len(made) == len(lost)


def test_an_interrupted_factory_goes_on(factory, tmp_path, monkeypatch):
    made = []

    def failing(*args, **kwargs):
        made.append(args)
        if len(made) > 4:
            raise KeyboardInterrupt
        return clip(*args, **kwargs)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(synthetic, "clip", failing)
        make_factory(tmp_path, **SMALL)
    assert len(contents(tmp_path)) == 4
    assert json.loads((tmp_path / "factory.json").read_text())["complete"] is False
    with pytest.raises(ValueError, match="seed"):  # even half-made it's not another's
        make_factory(tmp_path, **{**SMALL, "seed": 4})
    make_factory(tmp_path, **SMALL)
    assert contents(tmp_path) == contents(factory)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p.name.startswith(".")]


@pytest.mark.parametrize(
    ("field", "there", "asked"),
    [
        ("seed", 3, 4),
        ("snr_db", 0.0, 6.0),
        ("sections", "[0, 3]", "[0]"),
        ("test_normal", 2, 9),
    ],
)
def test_another_factory_is_refused_by_the_field_that_differs(factory, field, there, asked):
    before = contents(factory)
    with pytest.raises(ValueError) as error:
        make_factory(factory, **{**SMALL, field: json.loads(str(asked))})
    assert all(str(word) in str(error.value) for word in (field, there, asked))
    assert contents(factory) == before


def test_recordings_of_others_are_left_alone(tmp_path):
    (tmp_path / "dev_data").mkdir()
    with pytest.raises(ValueError, match=r"no factory\.json"):
        make_factory(tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("machines", ("lathe",)),
        ("sections", (100,)),
        ("seconds", 0.5),
        ("sample_rate", 8000),
        ("shift", -0.1),
        ("snr_db", 61.0),
        ("background", "quiet"),
        ("test_counts", {("fan", 9, "source"): (1, 1)}),
    ],
)
def test_values_out_of_range_write_nothing(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"synthetic.{name.rstrip('s')}"):
        make_factory(tmp_path / "root", **{**SMALL, name: value})
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("fan", 0, "home", 0, 0, "test"),
        ("fan", 0, "source", 2, 0, "test"),
        ("fan", 0, "source", 0, 0, "valid"),
    ],
)
def test_clip_refuses_what_it_does_not_know(arguments):
    with pytest.raises(ValueError, match="out of range"):
        clip(*arguments)
