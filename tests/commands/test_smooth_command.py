"""`jax-dns smooth`: anyone's scores and features, from files to files."""

import csv

import numpy as np
import pytest

from jax_dns import cli
from jax_dns.smoothing.adaptive import smooth_adaptively
from jax_dns.smoothing.dose import smooth_dose

FAN, PUMP = ("fan", (0, 1)), ("pump", (0,))


def put(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name},{value!r}\n" for name, value in lines))
    return path


def rows_of(path):
    return [(name, value) for name, value in csv.reader(path.read_text().splitlines())]


def call(capsys, *arguments, command="smooth"):
    """Exit code, standard output, lines of standard error."""
    code = cli.main([command, *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err.splitlines()


@pytest.fixture
def data(tmp_path, rng):
    """Machine -> clip -> (score, feature), and the files that hold it, features in any order."""
    table = {}
    for machine, sections in (FAN, PUMP):
        clips = table[machine] = {}
        for section in sections:
            for domain in ("source", "target"):
                for i in range(8):
                    label = ("normal", "anomaly")[i % 2]
                    name = f"section_{section:02d}_{domain}_test_{label}_{i:04d}_vel_{i}_A.wav"
                    feature = rng.normal(size=3) + [3 * (i % 2), 0, 0]
                    clips[name] = (float(rng.normal() + 0.5 * (i % 2)), np.float32(feature))
                names = [n for n in clips if n.startswith(f"section_{section:02d}_{domain}")]
                file = f"scores/anomaly_score_{machine}_section_{section:02d}_{domain}_test.csv"
                put(tmp_path / file, [(n, clips[n][0]) for n in names])
    rows = [(m, n, f) for m, clips in table.items() for n, (_, f) in clips.items()]
    rows = [rows[i] for i in rng.permutation(len(rows))]
    machine, name, feature = zip(*rows)
    np.savez(tmp_path / "features.npz", machine=machine, name=name, feature=np.stack(feature))
    return table


def equation_7(items, k, group, pool):
    """Smoothed scores by name, item by item."""
    smoothed = {}
    for name, (score, feature) in items.items():
        others = [
            (((feature - x) ** 2).sum(), s)
            for n, (s, x) in items.items()
            if n != name and group(n) == group(name) and pool(n)
        ]
        smoothed[name] = (score + sum(s for _, s in sorted(others)[: k - 1])) / k
    return smoothed


def found_in(folder, machine):
    return {
        name: float(score)
        for path in folder.glob(f"anomaly_score_{machine}_*.csv")
        for name, score in rows_of(path)
    }


def section_of(name):
    return name[:10]


def is_source(name):
    return "_source_" in name


def test_folders_of_two_machine_types(data, tmp_path, capsys):
    out = tmp_path / "out"
    files = ["--scores", tmp_path / "scores", "--features", tmp_path / "features.npz"]
    code, printed, err = call(capsys, *files, "--k", 4, "--out", out, "--pool", "source")
    assert code == 0, err
    assert "fan: 32 clips, 2 groups, 16 of 32 rows in the pool, K = 4" in printed
    for machine, items in data.items():
        expected = equation_7(items, 4, section_of, is_source)
        assert found_in(out, machine) == pytest.approx(expected, abs=1e-5)
    code, printed, _ = call(capsys, "--scores", out, command="evaluate")
    assert code == 0 and len(printed.split("\n\n")[0].splitlines()) == 1 + 9


def test_order_of_the_features_does_not_matter(data, tmp_path, capsys):
    with np.load(tmp_path / "features.npz") as file:
        np.savez(tmp_path / "turned.npz", **{name: file[name][::-1] for name in file.files})
    written = []
    for name in ("features", "turned"):
        out = tmp_path / f"out_{name}"
        files = ["--scores", tmp_path / "scores", "--features", tmp_path / f"{name}.npz"]
        assert call(capsys, *files, "--k", 3, "--out", out)[0] == 0
        written.append({path.name: path.read_text() for path in out.iterdir()})
    assert written[0] == written[1]


def test_k_of_one_gives_the_scores_bit_for_bit(data, tmp_path, capsys):
    out = tmp_path / "out"
    files = ["--scores", tmp_path / "scores", "--features", tmp_path / "features.npz"]
    assert call(capsys, *files, "--k", 1, "--out", out)[0] == 0
    before, after = (
        {path.name: path.read_text() for path in folder.iterdir()}
        for folder in (tmp_path / "scores", out)
    )
    assert before == after and len(after) == 6


def single(data, tmp_path, machine="pump"):
    """One machine type as one CSV with a header and one .npz."""
    items = data[machine]
    path = put(tmp_path / f"{machine}.csv", [(n, s) for n, (s, _) in items.items()])
    path.write_text("name,score\n" + path.read_text())
    np.savez(tmp_path / f"{machine}.npz", name=list(items), feature=[f for _, f in items.values()])
    np.save(tmp_path / f"{machine}.npy", [f for _, f in items.values()])
    return ["--scores", path]


@pytest.mark.parametrize("features", ["pump.npz", "pump.npy", "features.npz", "."])
def test_a_single_csv(data, tmp_path, capsys, features):
    arguments = [*single(data, tmp_path), "--features", tmp_path / features, "--k", 3]
    expected = equation_7(data["pump"], 3, section_of, lambda _: True)
    code, _, err = call(capsys, *arguments, "--out", tmp_path / "out.csv")
    assert code == 0, err
    header, *rows = rows_of(tmp_path / "out.csv")
    assert header == ("name", "score") and [name for name, _ in rows] == list(expected)
    assert {n: float(s) for n, s in rows} == pytest.approx(expected, abs=1e-5)
    code, _, _ = call(capsys, *arguments, "--out", tmp_path / "folder", "--machine", "pump")
    assert code == 0 and found_in(tmp_path / "folder", "pump") == pytest.approx(expected, abs=1e-5)


def test_groups_and_pool_from_files(data, tmp_path, capsys):
    items = data["fan"]
    group = {name: "xyz"[i % 3] for i, name in enumerate(items)}
    pool = {name: int(i % 4 != 1) for i, name in enumerate(items)}
    (tmp_path / "g.csv").write_text("".join(f"{n},{g}\n" for n, g in group.items()))
    put(tmp_path / "p.csv", pool.items())
    arguments = [*single(data, tmp_path, "fan"), "--features", tmp_path / "fan.npz", "--k", 2]
    for options, g, p in (
        (["--groups", tmp_path / "g.csv", "--pool", tmp_path / "p.csv"], group.get, pool.get),
        (["--groups", "none"], lambda _: 0, lambda _: True),
    ):
        code, _, err = call(capsys, *arguments, *options, "--out", tmp_path / "out.csv")
        assert code == 0, err
        found = {n: float(s) for n, s in rows_of(tmp_path / "out.csv")[1:]}
        assert found == pytest.approx(equation_7(items, 2, g, p), abs=1e-5)


def test_repeated_names_are_segments(tmp_path, rng, capsys):
    names = [name for name in "abcdef" for _ in range(3)]
    scores, features = rng.normal(size=18), rng.normal(size=(18, 2)).astype(np.float32)
    put(tmp_path / "s.csv", zip(names, map(float, scores)))
    np.savez(tmp_path / "f.npz", name=names, feature=features)
    arguments = ["--scores", tmp_path / "s.csv", "--features", tmp_path / "f.npz", "--k", 4]
    code, printed, _ = call(capsys, *arguments, "--out", tmp_path / "out.csv")
    assert code == 0 and "s: 6 clips of 18 segments, 1 group, 18 of 18 rows" in printed
    items = dict(enumerate(zip(scores, features)))
    smoothed = equation_7(items, 4, lambda _: 0, lambda _: True)
    expected = np.reshape(list(smoothed.values()), (6, 3)).mean(1)
    found = [float(s) for _, s in rows_of(tmp_path / "out.csv")[1:]]
    assert found == pytest.approx(expected, abs=1e-5)


def test_auto_takes_the_best_k_and_says_what_it_has_seen(data, tmp_path, capsys):
    files = ["--scores", tmp_path / "scores", "--features", tmp_path / "features.npz"]
    out = tmp_path / "out"
    code, printed, err = call(capsys, *files, "--k", "auto", "--out", out)
    assert code == 0, err
    assert printed.count("chosen on the labels that also evaluate it: an oracle") == 2
    for machine in data:
        block = printed[printed.index(f"{machine}: harmonic mean") :].split("\n\n")[0].splitlines()
        table = [line.split() for line in block[2:]]
        assert [int(row[0]) for row in table] == [1, 2, 4, 8, 16]
        best = max(table, key=lambda row: (float(row[1]), -int(row[0])))
        (chosen,) = [row for row in table if row[-1] == "chosen"]
        assert chosen == best
        expected = equation_7(data[machine], int(best[0]), section_of, lambda _: True)
        assert found_in(out, machine) == pytest.approx(expected, abs=1e-5)
        _, evaluated, _ = call(capsys, "--scores", out, command="evaluate")
        row = evaluated[evaluated.index("Domains pooled") :].splitlines()
        assert [line.split()[3] for line in row if line.startswith(machine)] == [best[1]]
    fan = [tmp_path / "fan" / path.name for path in (tmp_path / "scores").glob("*_fan_*")]
    for path in fan:
        put(path, [])
        path.write_text((tmp_path / "scores" / path.name).read_text())
    files[1] = tmp_path / "fan"
    code, printed, _ = call(
        capsys,
        *files,
        "--k",
        "auto",
        "--out",
        tmp_path / "f",
        "--select-sections",
        0,
        "--domains",
        "apart",
    )
    assert code == 0 and "chosen on sections 00\n" in printed
    assert "K   sections 00  sections 01\n" in printed and "each section and domain" in printed


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--k", "17"], 1, "pump: --k: 17, expected at most 16: section_00_source_test_normal"),
        (["--k", "0"], 2, "--k: '0', expected whole numbers of at least 1, auto"),
        (["--k", "2,,4"], 2, "--k: '2,,4'"),
        (["--k", "four"], 2, "--k: 'four'"),
        (["--k", "2", "--metric", "manhattan"], 2, "invalid choice: 'manhattan'"),
        (["--k", "2", "--select-sections", "0"], 2, "--select-sections is for --k auto"),
        (["--k", "auto", "--select-sections", "0,x"], 2, "argument --select-sections: invalid"),
        (["--k", "auto", "--select-sections", "3"], 1, "sections 03 without labels of both"),
        (["--k", "2", "--pool", "NO.csv"], 1, "NO.csv: no such file"),
        (["--k", "2", "--groups", "sections"], 1, "sections: no such file"),
        (["--k", "2", "--pool", "g.csv"], 1, "g.csv, line 1: 'a,b' (expected name,0|1)"),
        (
            ["--k", "2", "--groups", "g.csv"],
            1,
            "pump: g.csv: none of 16 names matches",
        ),
        (["--k", "2", "--out", "pump.csv"], 2, "--out: pump.csv is what --scores reads"),
        (["--k", "2", "--out", "old"], 1, "old: holds other scores already, anomaly_score_fan"),
        (["--k", "2", "--scores", "scores", "--out", "x.csv"], 2, "expected a folder, as --scores"),
        (["--k", "2", "--scores", "scores"], 2, "expected a folder, as --scores is one"),
        (["--k", "2", "--scores", "scores", "--out", "o"], 1, "lacks machine, but the scores are"),
        (
            ["--k", "2", "--scores", "scores", "--machine", "x", "--out", "o"],
            2,
            "--machine is for a single file",
        ),
        (
            ["--k", "2", "--scores", "plain.csv"],
            1,
            "plain: none of 2 names matches: the scores have a",
        ),
        (["--k", "2", "--scores", "plain.csv", "--out", "o"], 1, "names carry no section, which"),
        (["--k", "2", "--features", "plain.csv"], 1, "pump: none of 16 names matches"),
        (["--k", "2", "--features", "short.npy"], 1, "2 rows of features and 16 scores"),
        (
            ["--k", "auto", "--scores", "plain.csv", "--features", "short.npy"],
            1,
            "plain: --k auto: no section has labelled clips of both classes",
        ),
        (
            ["--k", "2", "--scores", "plain.csv", "--features", "short.npy", "--pool", "source"],
            1,
            "plain: 2 of 2 names carry no domain: a, b",
        ),
        (
            ["--k", "2", "--scores", "plain.csv", "--features", "short.npy", "--groups", "section"],
            1,
            "plain: 2 of 2 names carry no section: a, b",
        ),
        (
            ["--k", "2", "--scores", "plain.csv", "--features", "zero.npy", "--metric", "cosine"],
            1,
            "plain: features: row 0 is zero",
        ),
    ],
)
def test_what_is_refused(data, tmp_path, capsys, monkeypatch, options, code, message):
    single(data, tmp_path)
    put(tmp_path / "plain.csv", [("a", 1.0), ("b", 2.0)])
    (tmp_path / "g.csv").write_text("a,b\n")
    put(tmp_path / "old/anomaly_score_fan_section_00_source_test.csv", [("a", 1.0)])
    np.save(tmp_path / "short.npy", np.ones((2, 2)))
    np.save(tmp_path / "zero.npy", np.zeros((2, 2)))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    defaults = ["--scores", "pump.csv", "--features", "pump.npz", "--out", "out.csv"]
    found, _, err = call(capsys, *defaults, *options)
    assert (found, len(err)) == (code, 1), err
    assert err[0].startswith("jax-dns: error: ") and message in err[0], err[0]
    assert sorted(tmp_path.rglob("*")) == before


def test_the_input_is_never_overwritten(data, tmp_path, capsys):
    one = tmp_path / "one/anomaly_score_pump_section_00_source_test.csv"
    put(one, [(n, s) for n, (s, _) in data["pump"].items() if is_source(n)])
    text = one.read_text()
    arguments = ["--scores", one, "--features", tmp_path / "features.npz", "--k", 2]
    code, _, err = call(capsys, *arguments, "--unit", "clip", "--out", one.parent)
    assert code == 1 and "no scores for 8 of the 16 names of the features" in err[0]
    np.save(tmp_path / "rows.npy", np.ones((8, 1)))
    arguments[3] = tmp_path / "rows.npy"
    code, _, err = call(capsys, *arguments, "--out", one.parent)
    assert code == 1 and "would be overwritten" in err[0] and one.read_text() == text


def test_several_ks(data, tmp_path, capsys):
    files = [*single(data, tmp_path), "--features", tmp_path / "pump.npz", "--k", "4,1,4"]
    code, printed, _ = call(capsys, *files, "--out", tmp_path / "out.csv")
    assert code == 0 and "K = 4, 1\n" in printed
    head, *rows = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert head == ["name", "K=4", "K=1"]
    expected = equation_7(data["pump"], 4, section_of, lambda _: True)
    assert {n: float(s) for n, s, _ in rows} == pytest.approx(expected, abs=1e-5)
    assert {n: float(s) for n, _, s in rows} == {n: s for n, (s, _) in data["pump"].items()}
    code, _, _ = call(capsys, *files, "--machine", "pump", "--out", tmp_path / "o")
    assert code == 0 and found_in(tmp_path / "o/K=4", "pump") == pytest.approx(expected, abs=1e-5)
    assert len(list((tmp_path / "o").rglob("*.csv"))) == 4


def test_any_table_in(data, tmp_path, capsys):
    """A run's scores with a column chosen, features from a CSV by full path, other keys."""
    items = data["pump"]
    lines = [f"{n},{section_of(n)[8:]},{s!r},0" for n, (s, _) in items.items()]
    (tmp_path / "scores.csv").write_text("\n".join(["wav,section,AE,Other", *lines]))
    lines = [";".join([f"/x/{n}", *map(str, f)]) for n, (_, f) in reversed(items.items())]
    text = "\n".join(["wav;e0;e1;e2", *lines]).replace(".wav", "#").replace(".", ",")
    (tmp_path / "features.csv").write_text(text.replace("#", ".wav"))
    arguments = ["--scores", tmp_path / "scores.csv", "--column", "AE", "--name-key", "wav"]
    arguments += ["--features", tmp_path / "features.csv", "--feature-key", "e", "--k", 4]
    code, printed, err = call(capsys, *arguments, "--out", tmp_path / "out.csv")
    assert code == 0, err
    assert "scores: features of 16 of 16 names, by base name\n" in printed
    expected = equation_7(items, 4, section_of, lambda _: True)
    found = {n: float(s) for n, s in rows_of(tmp_path / "out.csv")[1:]}
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_name_key_is_that_of_the_files_that_have_it(data, tmp_path, capsys):
    names, values = zip(*data["pump"].items())
    put(tmp_path / "s.csv", [("clip", "score"), *((n, s) for n, (s, _) in zip(names, values))])
    np.savez(tmp_path / "f.npz", ids=names, emb=[f for _, f in values])
    files = ["--scores", tmp_path / "s.csv", "--features", tmp_path / "f.npz", "--k", 4]
    keys = ["--feature-key", "emb", "--out", tmp_path / "o.csv"]
    code, _, err = call(capsys, *files, *keys, "--name-key", "ids")
    assert code == 0, err
    expected = equation_7(data["pump"], 4, section_of, lambda _: True)
    assert {n: float(s) for n, s in rows_of(tmp_path / "o.csv")[1:]} == pytest.approx(
        expected, abs=1e-5
    )
    code, _, err = call(capsys, *files, *keys, "--name-key", "idz")
    assert code == 1 and "f.npz: lacks name" in err[0]
    code, _, err = call(capsys, *files, *keys)
    assert code == 1 and "f.npz: lacks name" in err[0]
    np.savez(tmp_path / "f.npz", name=names, emb=[f for _, f in values])
    code, _, err = call(capsys, *files, *keys, "--name-key", "idz")
    assert code == 1 and "--name-key: neither" in err[0] and "has names in idz" in err[0]


def test_files_keep_the_names_of_their_year(shared, tmp_path, rng, capsys):
    names = [
        f"section_00_{d}_test_normal_000{i}.wav" for d in ("source", "target") for i in range(3)
    ]
    name = "anomaly_score_fan_section_00.csv"
    put(tmp_path / "s" / name, zip(names, map(float, rng.normal(size=6))))
    np.savez(tmp_path / "f.npz", name=names, feature=rng.normal(size=(6, 2)))
    files = ["--scores", tmp_path / "s", "--features", tmp_path / "f.npz", "--k", 2]
    assert call(capsys, *files, "--out", tmp_path / "o")[0] == 0
    assert [path.name for path in (tmp_path / "o").iterdir()] == [name]
    assert [n for n, _ in rows_of(tmp_path / "o" / name)] == names


def test_a_table_of_several_machine_types_needs_a_folder(tmp_path, capsys):
    (tmp_path / "s.csv").write_text("machine,name,score\nfan,a,1\npump,a,2\n")
    arguments = ["--scores", tmp_path / "s.csv", "--features", tmp_path / "f.npz", "--k", 1]
    code, _, err = call(capsys, *arguments, "--out", tmp_path / "out.csv")
    assert code == 1 and "expected a folder: there are fan, pump" in err[0]


def many(tmp_path, rng, n=120, known=60):
    """Scores of two sections with anomalies in a cluster, and known normals apart."""
    rows = {"scores.csv": [], "known.csv": []}
    names, features = [], []
    for section in (0, 1):
        for i in range(n + known):
            anomaly = i < n and i % 3 == 0 and section == 0
            label = "anomaly" if i < n and i % 3 == 0 else "normal"
            split = "test" if i < n else "train"
            names.append(f"section_{section:02d}_source_{split}_{label}_{i:04d}_x.wav")
            features.append(rng.normal(size=4) + [6 * anomaly, 0, 0, 0])
            file = "scores.csv" if i < n else "known.csv"
            rows[file].append((names[-1], float(rng.normal() + anomaly)))
    for file, lines in rows.items():
        put(tmp_path / file, lines)
    np.savez(tmp_path / "f.npz", name=names, feature=np.float32(features))
    return rows, dict(zip(names, np.float32(features)))


def test_known_normals_choose_the_amount_for_each_section(tmp_path, rng, capsys):
    rows, features = many(tmp_path, rng)
    arguments = ["--scores", tmp_path / "scores.csv", "--features", tmp_path / "f.npz"]
    arguments += ["--k", "adaptive", "--known-normals", tmp_path / "known.csv"]
    code, out, err = call(capsys, *arguments, "--out", tmp_path / "out.csv")
    assert code == 0, err
    written = {name: float(score) for name, score in rows_of(tmp_path / "out.csv")[1:]}
    assert list(written) == [name for name, _ in rows["scores.csv"]]
    for section in (0, 1):
        u, r = (
            [(n, s) for n, s in rows[file] if n.startswith(f"section_{section:02d}")]
            for file in ("scores.csv", "known.csv")
        )
        arrays = []
        for part in (u, r):
            arrays.append(np.asarray([score for _, score in part]))
            arrays.append(np.stack([features[name] for name, _ in part]))
        choice = smooth_adaptively(*arrays)
        assert (choice.k > 1) == (section == 0)
        assert f"scores section {section:02d}: {choice.description}" in out + "\n".join(err)
        np.testing.assert_allclose([written[n] for n, _ in u], choice.scores, atol=1e-6)
    strict = [*arguments, "--gate", 99, "--out", tmp_path / "strict.csv"]
    code, out, err = call(capsys, *strict)
    assert code == 0 and (out + "".join(err)).count("kept a_G: no candidate separates") == 2


def test_a_clip_is_scored_or_known(tmp_path, rng, capsys):
    many(tmp_path, rng)
    arguments = ["--scores", tmp_path / "scores.csv", "--features", tmp_path / "f.npz"]
    arguments += ["--k", "adaptive", "--known-normals", tmp_path / "scores.csv"]
    code, _, err = call(capsys, *arguments, "--out", tmp_path / "out.csv")
    assert code == 1 and "of --scores too (expected normal clips apart" in err[0]


def test_a_dose_of_the_neighbours_mean(data, tmp_path, capsys):
    arguments = [*single(data, tmp_path), "--features", tmp_path / "pump.npz", "--k", 4]
    code, out, _ = call(capsys, *arguments, "--dose", 0.25, "--out", tmp_path / "out.csv")
    assert code == 0 and out.count("presupposes that anomalies have anomalies near them") == 1
    score, feature = (np.stack(column) for column in zip(*data["pump"].values()))
    expected = smooth_dose(score, feature, 4, weight=0.75)
    written = [float(score) for _, score in rows_of(tmp_path / "out.csv")[1:]]
    np.testing.assert_allclose(written, expected, atol=1e-6)
