"""Labels, domains and attributes from the evaluators' files."""

import pytest

from jax_dns.data.clips import Clip
from jax_dns.data.ground_truth import join_ground_truth, read_ground_truth
from jax_dns.errors import InputError

NAMES = [f"section_00_{i:04d}.wav" for i in range(3)]


def clips(names=NAMES, **values):
    values = {"section": 0, "domain": "", "split": "test", "label": -1} | values
    return [Clip(path=None, name=name, machine="fan", **values) for name in names]


def write(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root / path


def join(root, rows=None, folder=None):
    lines = []
    joined = join_ground_truth({"fan": rows or clips()}, root, folder, log=lines.append)
    return [(c.label, c.domain, c.attributes) for c in joined["fan"]], lines


@pytest.mark.parametrize("place", ["", "dcase2023_task2_evaluator/", "ground_truth/"])
def test_labels_domains_and_attributes_of_an_evaluator(tmp_path, place):
    file = "ground_truth_fan_section_00_test.csv"
    write(tmp_path, f"{place}ground_truth_data/{file}", "".join(f"{n},0\n" for n in NAMES[:2]))
    write(tmp_path, f"{place}ground_truth_domain/{file}", f"{NAMES[0]},0\n{NAMES[1]},1\n")
    write(
        tmp_path,
        f"{place}ground_truth_attributes/{file}",
        f"{NAMES[1]},section_00_target_test_normal_0001_vel_12\n"
        f"{NAMES[0]},section_00_source_test_normal_0000_noAttribute\n",
    )
    expected = [(0, "source", ""), (0, "target", "vel_12"), (-1, "", "")]
    rows, lines = join(tmp_path)
    assert rows == expected
    assert lines == [
        "ground truth of fan: 2 of 2 names are those of test clips",
        f"ground truth of fan: no line for {NAMES[2]}; unlabelled",
    ]
    assert join(tmp_path / "elsewhere", folder=tmp_path)[0] == expected


def test_a_list_of_published_and_full_names(tmp_path):
    """That of 2020 has a third column, and its full names no domain."""
    write(
        tmp_path,
        "ground_truth/eval_data_list_2023.csv",
        f"pump\n{NAMES[0]},section_00_source_test_anomaly_0000.wav\n"
        f"fan\n{NAMES[2]},section_00_target_test_anomaly_0002_m-n_W.wav\n"
        f"{NAMES[1]},normal_id_00_00000001.wav,0\n",
    )
    rows, lines = join(tmp_path)
    assert rows == [(-1, "", ""), (0, "", ""), (1, "target", "m-n_W")]
    assert lines[0] == "ground truth of fan: 2 of 2 names are those of test clips"


@pytest.mark.parametrize(
    "line",
    ["a.wav,b.wav", "a.wav,normal_id_00_00000001.wav,1", "a.wav,section_00_source_test_0.wav"],
)
def test_a_list_of_another_form_names_the_line(tmp_path, line):
    write(tmp_path, "eval_data_list.csv", f"fan\n{line}\n")
    with pytest.raises(InputError, match=r"eval_data_list.csv, line 2: .*expected name,full name"):
        join(tmp_path)


def test_files_of_other_machine_types_are_not_read(tmp_path):
    write(tmp_path, "ground_truth_pump_section_00_test.csv", "damaged")
    assert join(tmp_path) == ([(-1, "", "")] * 3, [])


def test_training_clips_and_labels_in_names_stay(tmp_path):
    write(tmp_path, "ground_truth_fan_section_00_test.csv", "a.wav,0\nb.wav,1\n")
    rows = clips(["a.wav"], split="train") + clips(["b.wav"], label=1, domain="target")
    assert join(tmp_path, rows)[0] == [(-1, "", ""), (1, "target", "")]


def test_contradictions_are_refused(tmp_path):
    path = write(tmp_path, "ground_truth_fan_section_00_test.csv", f"{NAMES[0]},0\n")
    with pytest.raises(InputError, match=f"{path}: {NAMES[0]} is 0, by its name 1"):
        join(tmp_path, clips(label=1))
    other = write(tmp_path, f"ground_truth/{path.name}", f"{NAMES[0]},0\n")
    assert join(tmp_path)[0][0] == (0, "", "")
    other.write_text(f"{NAMES[0]},1\n")
    with pytest.raises(InputError, match=rf"gives other labels than .*\({NAMES[0]}; expected one"):
        join(tmp_path)
    other.unlink()
    for kind, text in (("domain", f"{NAMES[0]},1\n"), ("attributes", f"{NAMES[0]},{SOURCE}\n")):
        write(tmp_path, f"ground_truth_{kind}/{path.name}", text)
    with pytest.raises(InputError, match="is of domain target, elsewhere source"):
        join(tmp_path)


SOURCE = "section_00_source_test_normal_0000_vel_1"


def test_a_join_that_matches_nothing_fails(tmp_path):
    path = write(tmp_path, "ground_truth_fan_section_00_test.csv", "fan_0.wav,0\nfan_1.wav,1\n")
    with pytest.raises(InputError, match=r"fan: none of 2 names .*fan_0.wav; .*section_00_0000"):
        join(tmp_path)
    assert join(tmp_path, clips(label=0))[0] == [(0, "", "")] * 3  # all labelled: none is missing
    with pytest.raises(InputError, match=r"data.ground_truth: .*/empty has no ground_truth_.* fan"):
        (tmp_path / "empty").mkdir()
        join(tmp_path, folder=tmp_path / "empty")
    with pytest.raises(InputError, match=r"data.ground_truth: .*nowhere is not a folder"):
        join(tmp_path, folder=path.parent / "nowhere")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.wav,2\n", "expected name,0 or name,1"),
        ("a.wav,0\na.wav,1\n", "both labels"),
        ("a.wav,0,0\n", "expected name,0 or name,1"),
        ("a.wav,\n", "expected name,0 or name,1"),
    ],
)
def test_bad_ground_truth_names_the_line(tmp_path, text, message):
    path = write(tmp_path, "truth.csv", text)
    with pytest.raises(InputError, match=rf"truth.csv, line \d.*{message}"):
        read_ground_truth(path)


def test_semicolons_and_tabs(tmp_path):
    for separator in ";\t":
        path = write(tmp_path, "truth.csv", f"a{separator}0\nb{separator}1\n")
        assert read_ground_truth(path) == {"a": 0, "b": 1}


def test_official_labels_of_2021(shared):
    files = sorted((shared / "metrics/ground_truth_2021").glob("*.csv"))
    counts = {path.name: len(read_ground_truth(path)) for path in files}
    assert len(counts) == 42
    assert counts["ground_truth_gearbox_section_03_source_test.csv"] == 234
    assert counts["ground_truth_slider_section_05_target_test.csv"] == 203


def test_the_official_list_of_2021_agrees_with_the_official_labels(shared, tmp_path):
    """42 files of labels and one list: no contradiction, and as many labels as lines."""
    path = shared / "metrics/ground_truth_2021/ground_truth_fan_section_04_target_test.csv"
    expected = read_ground_truth(path)
    lines = []
    rows = clips(sorted(expected))
    joined = join_ground_truth({"fan": rows}, tmp_path, shared / "metrics", log=lines.append)
    assert {c.name: c.label for c in joined["fan"]} == expected
    assert {c.domain for c in joined["fan"]} == {"target"}
    assert lines == ["ground truth of fan: 200 of 1200 names are those of test clips"]
