"""Labels joined by name."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.read_labels import with_labels
from jax_dns.score_files.read_scores import read_scores

NAMES = ("section_03_0000.wav", "section_03_0001.wav", "section_03_0002.wav")


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "anomaly_score_fan_section_03_source_test.csv"
    path.write_text("".join(f"{name},{i}\n" for i, name in enumerate(NAMES)))
    return read_scores(path)


def labels(scores, path):
    return list(with_labels(scores, path)["fan"].label)


def test_none_given(scores):
    assert labels(scores, None) == [-1, -1, -1]


def test_official_file_and_folder(scores, tmp_path):
    path = tmp_path / "truth" / "ground_truth_fan_section_03_source_test.csv"
    path.parent.mkdir()
    path.write_text(f"{NAMES[0]},1\n{NAMES[2]},0\n")
    assert labels(scores, path) == labels(scores, path.parent) == [1, -1, 0]


def test_evaluators_list(scores, tmp_path):
    path = tmp_path / "eval_data_list.csv"
    path.write_text(
        f"fan\n{NAMES[0]},section_03_source_test_normal_0000.wav\n"
        f"{NAMES[1]},section_03_source_test_anomaly_0001.wav\n"
        f"pump\n{NAMES[2]},section_03_source_test_anomaly_0002.wav\n"
    )
    assert labels(scores, path) == [0, 1, -1]


def test_ones_own_table(scores, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("".join(f"{name},{i % 2}\n" for i, name in enumerate(NAMES)))
    assert labels(scores, path) == [0, 1, 0]


def test_labels_of_the_names_stay(scores, tmp_path):
    rows = scores["fan"]._replace(label=np.array([1, -1, 0]))
    path = tmp_path / "mine.csv"
    path.write_text("".join(f"{name},{1}\n" for name in NAMES))
    assert labels({"fan": rows}, path) == [1, 1, 0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("eval_data_list.csv", "fan\na.wav,b.wav\n", "line 2: .*expected published name,labelled"),
        (
            "eval_data_list.csv",
            "fan\na,section_03_source_test_normal_0.wav\na,section_03_source_test_anomaly_0.wav\n",
            "line 3: a of fan is given both labels",
        ),
        ("mine.csv", f"{NAMES[0]},2\n", "mine.csv"),
    ],
)
def test_unusable(scores, tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        with_labels(scores, path)


def test_two_files_that_disagree(scores, tmp_path):
    for folder, label in (("a", 0), ("b", 1)):
        path = tmp_path / "truth" / folder / "ground_truth_fan_section_03_source_test.csv"
        path.parent.mkdir(parents=True)
        path.write_text(f"{NAMES[0]},{label}\n")
    with pytest.raises(InputError, match="has another label elsewhere"):
        with_labels(scores, tmp_path / "truth")


def test_nothing_there(scores, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        with_labels(scores, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no ground_truth"):
        with_labels(scores, tmp_path / "empty")
