"""From config.data to recordings."""

import shutil

import numpy as np
import pytest
from conftest import write_clip

from jax_dns import config
from jax_dns.data import audio_cache
from jax_dns.errors import InputError
from jax_dns.pipeline import index as index_stage


@pytest.fixture
def root(tmp_path):
    for machine, n in (("fan", 4), ("pump", 3), ("motor", 2)):
        for i in range(n):
            name = f"section_00_source_train_normal_000{i}.wav"
            write_clip(tmp_path / "root" / machine / "train" / name, 0.1, seed=i)
    for machine in ("fan", "pump"):
        name = "section_00_source_test_normal_0000.wav"
        write_clip(tmp_path / "root" / machine / "source_test" / name, 0.1, seed=9)
    return tmp_path / "root"


def settings(root, **changes):
    c = config.get_config()
    c.data.root = str(root)
    c.data.update(changes)
    return c


def indexed(root, tmp_path, **changes):
    c = settings(root, **changes)
    return c, index_stage.index(c, tmp_path / "work")


def test_machines_with_test_clips_are_run_and_the_others_are_outliers(root, tmp_path):
    c, machines = indexed(root, tmp_path)
    assert index_stage.targets(c, machines) == ["fan", "pump"]
    outliers = index_stage.outlier_clips(c, machines, "fan", 0)
    assert [(o.clips[0].machine, len(o.clips)) for o in outliers] == [("motor", 2), ("pump", 3)]


def test_a_machine_is_never_among_its_own_outliers(root, tmp_path):
    c, machines = indexed(root, tmp_path, outliers="fan,motor")
    names = [o.clips[0].machine for o in index_stage.outlier_clips(c, machines, "fan", 0)]
    assert names == ["motor"]


def test_named_machines_and_outliers_alone_are_decoded(root, tmp_path):
    c, machines = indexed(root, tmp_path, machines="fan", outliers="motor")
    assert list(machines) == ["fan", "motor"] and index_stage.targets(c, machines) == ["fan"]
    with pytest.raises(InputError, match="no test clips of motor"):
        index_stage.targets(*indexed(root, tmp_path, machines="motor"))


def test_training_clips_come_with_their_split(root, tmp_path):
    c, machines = indexed(root, tmp_path)
    data = index_stage.training_clips(c, machines["fan"], 0)
    assert len(data.clips) == 4 and all(clip.split == "train" for clip in data.clips)
    assert len(data.split.train) == 3 and len(data.split.valid) == 1
    store, row = data.recordings[2]
    assert machines["fan"].clips[row].name == data.clips[2].name and len(store.recording(row))
    assert data.digests[2] == [data.clips[2].name, store.digest[row]]


def test_standardised_by_machine(root, tmp_path):
    _, machines = indexed(root, tmp_path, standardise="machine")
    assert len(set(machines["fan"].store.deviation.tolist())) == 1
    _, machines = indexed(root, tmp_path)
    assert len(set(np.round(machines["fan"].store.deviation, 6).tolist())) > 1


def test_decoded_recordings_are_shared_by_workdirs(root, tmp_path, monkeypatch):
    c = settings(root, cache=str(tmp_path / "cache"))
    first = index_stage.index(c, tmp_path / "a")
    monkeypatch.setattr(audio_cache, "decode", lambda *_: pytest.fail("decoded again"))
    second = index_stage.index(c, tmp_path / "b")
    for machine in first.values():
        twin = second[machine.clips[0].machine].store
        np.testing.assert_array_equal(machine.store.samples, twin.samples)
    assert not (tmp_path / "a").exists() and not (tmp_path / "b").exists()
    (key,) = (tmp_path / "cache").iterdir()
    assert {path.suffix for path in key.iterdir()} == {".json", ".pcm"}


def test_another_root_or_format_has_a_cache_of_its_own(root, tmp_path):
    c = settings(root, cache=str(tmp_path / "cache"))
    index_stage.index(c, tmp_path / "a")
    other = settings(shutil.copytree(root, tmp_path / "other"), cache=c.data.cache)
    index_stage.index(other, tmp_path / "a")
    c.data.channel = 0
    index_stage.index(c, tmp_path / "a")
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_no_root_and_no_factory(tmp_path):
    with pytest.raises(InputError, match=r"data.root: empty, expected a folder"):
        index_stage.data_root(config.get_config(), tmp_path)


def test_the_factory_is_made_in_the_workdir(tmp_path):
    c = config.get_config()
    c.synthetic.make = True
    c.synthetic.machines, c.synthetic.sections = "fan,valve", 1
    c.synthetic.train_source = c.synthetic.train_target = 1
    c.synthetic.test_normal = c.synthetic.test_anomaly = 1
    c.synthetic.seconds = 1.0
    index_stage.make_synthetic(c, tmp_path)
    machines = index_stage.index(c, tmp_path)
    assert {m: len(machines[m].clips) for m in machines} == {"fan": 6, "valve": 6}


def test_segments_of_the_paper():
    c = config.get_config()
    assert index_stage.segment_samples(c) == 64_000 and index_stage.hop_samples(c) == 16_000
