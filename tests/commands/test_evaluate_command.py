"""`jax-dns evaluate`: tables of anyone's scores."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from jax_dns import cli


def put(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name},{value}\n" for name, value in lines))
    return path


def call(capsys, *arguments):
    """Exit code, lines of standard output, lines of standard error."""
    code = cli.main(["evaluate", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err.splitlines()


def test_a_retrained_baseline(shared, tmp_path, capsys):
    scores = shared / "metrics/mimii_due_ae_scores"
    code, out, err = call(capsys, "--scores", scores, "--out", tmp_path)
    assert (code, err) == (0, [])
    assert out[1].split() == ["fan", "00", "source", "100", "100", "0.6675", "0.5694736842105264"]
    first = list(csv.reader((tmp_path / "result.csv").read_text().splitlines()))[2]
    assert first == ["00", "source", "0.6675", "0.5694736842105264", "", "", ""]


def random_scores(root, rng, *, named):
    """Scores and labels of two machine types; the second section of pump has no labels."""
    truth = {}
    for machine in ("fan", "pump"):
        for section, domain in ((0, "source"), (0, "target"), (1, "source")):
            label = rng.permutation(np.repeat([0, 1], 10))
            score = rng.normal(size=20) + label
            word = [f"_{('normal', 'anomaly')[x]}" if named else "" for x in label]
            stem = f"section_{section:02d}_{domain}_test"
            names = [f"{stem}{w}_{i:04d}.wav" for i, w in enumerate(word)]
            file = f"{machine}_section_{section:02d}_{domain}_test.csv"
            put(root / "scores" / f"anomaly_score_{file}", zip(names, score))
            if named or (machine, section) != ("pump", 1):
                put(root / "truth" / f"ground_truth_{file}", zip(names, label))
                truth[machine, f"{section:02d}", domain] = label, score
    return truth


@pytest.mark.parametrize("named", [True, False])
def test_every_section_and_domain_against_sklearn(tmp_path, rng, capsys, named):
    truth = random_scores(tmp_path, rng, named=named)
    options = [] if named else ["--ground-truth", tmp_path / "truth"]
    code, out, _ = call(capsys, "--scores", tmp_path / "scores", *options, "--out", tmp_path)
    assert code == 0
    matched = [line for line in out if line.startswith("labels of")]
    assert matched == (
        [] if named else ["labels of fan: 60 of 60 clips", "labels of pump: 40 of 60 clips"]
    )
    out = out[len(matched) :]
    rows = {tuple(line.split()[:3]): line.split()[3:] for line in out[1:11]}
    for place, (label, score) in truth.items():
        expected = [roc_auc_score(label, score), roc_auc_score(label, score, max_fpr=0.1)]
        assert rows[place][:2] == ["10", "10"]
        assert [float(x) for x in rows[place][2:4]] == pytest.approx(expected, abs=1e-12)
    pooled = [
        np.concatenate(pair) for pair in zip(*(truth["fan", "00", d] for d in ("source", "target")))
    ]
    assert float(rows["fan", "00", "all"][2]) == pytest.approx(roc_auc_score(*pooled), abs=1e-12)
    unlabelled = [line for line in out if line.endswith("unlabelled (20 clips)")]
    assert len(unlabelled) == (0 if named else 2)
    values = [
        roc_auc_score(*pair, max_fpr=limit)
        for (machine, *_), pair in truth.items()
        if machine == "fan"
        for limit in (None, 0.1)
    ]
    by_domain = out[out.index("Each section and domain") + 2].split()
    assert by_domain[0] == "fan"
    assert float(by_domain[3]) == pytest.approx(100 * 6 / sum(1 / v for v in values), abs=0.006)
    assert float(by_domain[4]) == pytest.approx(100 * np.mean(values[::2]), abs=0.006)
    assert out[out.index("Each section and domain") + 4].split()[0] == "all"
    assert (tmp_path / "result.csv").read_text().count("source") == (4 if named else 3)


def test_nothing_labelled_is_no_error(tmp_path, rng, capsys):
    random_scores(tmp_path, rng, named=False)
    code, out, err = call(capsys, "--scores", tmp_path / "scores", "--out", tmp_path / "out")
    assert (code, err) == (0, []) and out[-1].startswith("No section has labelled clips")
    assert sum("unlabelled (20 clips)" in line for line in out) == 8
    assert not (tmp_path / "out").exists()


def test_a_single_csv_and_partly_labelled_clips(tmp_path, capsys):
    scores = put(tmp_path / "mine.csv", zip("abcde", (0.1, 0.4, 0.2, 0.9, 0.5)))
    truth = put(tmp_path / "truth.csv", zip("abcd", (0, 0, 1, 1)))
    code, out, _ = call(capsys, "--scores", scores, "--ground-truth", truth, "--machine", "fan")
    assert code == 0 and out[0] == "labels of fan: 4 of 5 clips"
    assert out[2].split()[:6] == ["fan", "-", "all", "2", "2", "0.75"]
    assert out[2].endswith("(1 more unlabelled)")
    put(truth, zip("ab", (0, 0)))
    code, out, _ = call(capsys, "--scores", scores, "--ground-truth", truth)
    assert code == 0 and out[2].endswith("labels of one class only")


def test_a_european_csv_is_read_as_any_other(shared, capsys):
    """Semicolons and decimal commas: AUC 1, as for the same file with commas and points."""
    tables = []
    for name in ("euro", "dot"):
        code, out, err = call(capsys, "--scores", shared.parent / f"cases/csv/{name}.csv")
        assert (code, err) == (0, [])
        tables.append([line.replace(name, "x").split() for line in out])
    assert tables[0] == tables[1] and tables[0][1] == ["x", "00", "source", "2", "2", "1.0", "1.0"]


def test_labels_that_match_nothing_are_an_error(shared, tmp_path, capsys):
    cases = shared.parent / "cases/csv"
    code, out, _ = call(
        capsys, "--scores", cases / "s.csv", "--ground-truth", cases / "gt_semicolon.csv"
    )
    assert code == 0 and out[0] == "labels of s: 2 of 2 clips"
    assert out[2].split()[:6] == ["s", "-", "all", "1", "1", "1.0"]
    other = put(tmp_path / "other.csv", zip("xy", (0, 1)))
    code, out, err = call(capsys, "--scores", cases / "s.csv", "--ground-truth", other)
    assert (code, out, len(err)) == (1, [], 1) and "none of 2 names matches" in err[0]


def test_a_column_of_a_runs_scores(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text(
        "clip,section,domain,label,AE,Proposed\n"
        "a,3,source,0,2,1\nb,3,source,1,1,2\nc,3,target,0,4,3\nd,3,target,1,3,4\n"
    )
    for column, auc in (("AE", "0.0"), ("Proposed", "1.0")):
        code, out, _ = call(capsys, "--scores", path, "--column", column, "--machine", "fan")
        assert code == 0
        assert [line.split()[:6] for line in out[1:3]] == [
            ["fan", "03", domain, "1", "1", auc] for domain in ("source", "target")
        ]
    code, _, err = call(capsys, "--scores", path)
    assert (
        code == 1 and "columns AE, Proposed (expected one of scores; --column names it)" in err[0]
    )


def test_the_official_score_of_a_year(shared, tmp_path, capsys):
    folder = shared / "dcase2022_dev_scores/gmm"
    code, out, err = call(capsys, "--scores", folder, "--year", 2022, "--out", tmp_path)
    assert (code, err) == (0, [])
    assert out[1].split() == ["ToyCar", "00", "0.8646", "0.4644000000000001", "0.5110526315789474"]
    assert out[-3] == (
        "DCASE 2022: official score 0.6779306781980121 (harmonic mean of 63 figures)"
    )
    published = [line.split(",") for line in (folder / "result.csv").read_text().splitlines()]
    printed = {tuple(line.split()[:2]): line.split()[2:] for line in out[1:-4]}
    machine = ""
    for row in published:
        if len(row) == 1 and row[0]:
            machine = row[0]
        if row[0].isdigit():
            assert printed.pop((machine, row[0])) == row[1:]
    assert {section for _, section in printed} == {"harmonic"}
    ours = (tmp_path / "result.csv").read_text().splitlines()
    assert ours[:3] == ["ToyCar", "section,AUC (source),AUC (target),pAUC", ",".join(published[2])]


def test_the_year_of_labels_that_are_apart(tmp_path, rng, capsys):
    """As the evaluators of 2023 on keep them: labels and domains in folders of their own."""
    names = [f"section_00_{i:04d}.wav" for i in range(40)]
    score, label, domain = rng.normal(size=40), np.arange(40) % 2, np.arange(40) // 2 % 2
    file = "bandsaw_section_00_test.csv"
    put(tmp_path / "s" / f"anomaly_score_{file}", zip(names, score))
    put(tmp_path / "e/ground_truth_data" / f"ground_truth_{file}", zip(names, label))
    put(tmp_path / "e/ground_truth_domain" / f"ground_truth_{file}", zip(names, domain))
    options = ["--scores", tmp_path / "s", "--ground-truth", tmp_path / "e", "--year", 2024]
    code, out, _ = call(capsys, *options)
    assert code == 0
    figures = [float(value) for value in out[2].split()[2:]]
    normal = [(label == 1) | (domain == d) for d in (0, 1)]
    expected = [roc_auc_score(label[rows], score[rows]) for rows in normal]
    assert figures == [*expected, roc_auc_score(label, score, max_fpr=0.1)]
    assert out[-1].endswith("(harmonic mean of 3 figures)")
    options[3] = tmp_path / "e/ground_truth_data"
    code, out, _ = call(capsys, *options)
    assert code == 0 and out[-1].endswith("of 1 figures; 2 more lack labels or domains)")


def test_what_is_refused(tmp_path, capsys):
    scores = put(tmp_path / "s/anomaly_score_fan_section_00_source_test.csv", zip("aab", "123"))
    for arguments, code, message in (
        (
            ["--scores", scores.parent],
            1,
            "fan: a: scored more than once, expected",
        ),
        (["--scores", tmp_path / "none"], 1, "none: no such file"),
        (["--scores", tmp_path], 1, "there are some in its folders s"),
        (["--scores", scores.parent, "--machine", "fan"], 2, "--machine is for a single file"),
        (["--scores", scores, "--out", "x.csv"], 2, "--out: x.csv, expected a folder"),
        (["--scores", scores, "--ground-truth", tmp_path / "no"], 1, "no such file or folder"),
        (["--scores", scores.parent, "--column", "AE"], 2, "--column is for a single file"),
        (["--scores", scores, "--year", "2019"], 2, "--year: invalid choice: 2019"),
        ([], 2, "required: --scores"),
    ):
        found, out, err = call(capsys, *arguments)
        assert (found, out, len(err)) == (code, [], 1), err
        assert err[0].startswith("jax-dns: error: ") and message in err[0]


def test_it_starts_without_jax(tmp_path):
    path = put(tmp_path / "s.csv", zip("ab", (1, 2)))
    program = (
        "import sys; from jax_dns import cli; "
        f"assert cli.main(['evaluate', '--scores', {str(path)!r}]) == 0; "
        "assert 'jax' not in sys.modules; import jax_dns; jax_dns.smooth; "
        "assert 'jax' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
