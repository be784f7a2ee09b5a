"""Generated score files, labels and features through `evaluate` and `smooth`.

Each case is written in a form that some tool or spreadsheet writes. The AUC and the smoothed scores
are those of scikit-learn and of a NumPy loop, or there is one clear error.
"""

import contextlib
import csv
import io
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from soak.fuzzing import time_limit

from jax_dns import cli

N, D = 24, 3
SCORES, LABELS, FEATURES, OUT = "scores.csv", "labels.csv", "features", "out.csv"


class Case(NamedTuple):
    """Scores, labels and features of the same clips, and how the files spell them."""

    names: list[str]  # in the scores; other files have other folders or no suffix
    scores: np.ndarray  # as written
    labels: np.ndarray
    features: np.ndarray
    k: int
    separator: str
    comma: bool  # the decimal mark, where the separator is another
    head: bool
    ending: str
    mark: str  # of the byte order
    quotes: bool
    spelling: str  # of the other files' names
    table: str  # kind of the features' file


def generate(rng: np.random.Generator) -> Case:
    stem = rng.choice(["section_{:02d}_source_test_{:04d}", "clip {1:04d}", "{1:d}", "größe-{1:d}"])
    folder = rng.choice(["", "/data/test/", "C:\\data\\"])
    suffix = ".wav" if rng.random() < 0.8 else ""
    names = [f"{folder}{str(stem).format(3, i)}{suffix}" for i in range(N)]
    separator = str(rng.choice([",", ";", "\t"]))
    return Case(
        names,
        rng.permutation(N) * 10.0 ** rng.integers(-30, 30) + rng.choice([0.0, 1.0]),
        rng.permutation(np.repeat([0, 1], N // 2)),
        rng.normal(size=(N, D)) * 10.0 ** rng.integers(-20, 20),
        int(rng.integers(1, N)),
        separator,
        separator != "," and rng.random() < 0.5,
        rng.random() < 0.5,
        str(rng.choice(["\n", "\r\n"])),
        str(rng.choice(["", "\ufeff"])),
        rng.random() < 0.3,
        str(rng.choice(["same", "base", "stem"])),
        str(rng.choice(["npz", "csv", "parquet"])),
    )


def spell(name: str, how: str) -> str:
    """A name as another file has it: without its folder, or without its suffix too."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    return {"same": name, "base": base, "stem": base.removesuffix(".wav")}[how]


def write(case: Case, folder, rng: np.random.Generator) -> None:
    """Writes the three files, the rows of each in an order of its own."""
    place = csv.QUOTE_ALL if case.quotes else csv.QUOTE_MINIMAL

    def table(path, head, rows):
        text = io.StringIO()
        form = dict(delimiter=case.separator, lineterminator=case.ending, quoting=place)
        csv.writer(text, **form).writerows([head] * case.head + rows)
        path.write_bytes((case.mark + text.getvalue()).encode())

    def number(value):
        text = repr(float(value))
        return text.replace(".", ",") if case.comma else text

    table(
        folder / SCORES,
        ["name", "score"],
        [[name, number(score)] for name, score in zip(case.names, case.scores)],
    )
    order = rng.permutation(N)
    others = [spell(case.names[i], case.spelling) for i in order]
    table(folder / LABELS, ["name", "label"], [[n, case.labels[i]] for n, i in zip(others, order)])
    path, features = folder / f"{FEATURES}.{case.table}", case.features[order]
    if case.table == "npz":
        np.savez(path, name=np.asarray(others), feature=features)
        return
    columns = {"name": others} | {f"feature_{j}": features[:, j] for j in range(D)}
    if case.table == "parquet":
        pyarrow = pytest.importorskip("pyarrow", reason="extra parquet")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(columns), path)
        return
    rows = [[name, *map(number, row)] for name, row in zip(others, features)]
    head = case._replace(head=True)  # features need one
    text = io.StringIO()
    form = dict(delimiter=head.separator, lineterminator=head.ending, quoting=place)
    csv.writer(text, **form).writerows([list(columns), *rows])
    path.write_bytes((case.mark + text.getvalue()).encode())


def call(*arguments: object) -> tuple[int, str, list[str]]:
    """Exit code, output, and the lines of an error."""
    out, errors = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
        time_limit(120),
    ):
        code = cli.main([str(argument) for argument in arguments])
    lines = [line for line in errors.getvalue().splitlines() if "error" in line]
    return code, out.getvalue(), lines


def smoothed(case: Case) -> np.ndarray:
    """Eq. 7 in a loop, in float64."""
    out = np.empty(N)
    for i, x in enumerate(case.features):
        distances = ((case.features - x) ** 2).sum(1)
        distances[i] = -1
        out[i] = case.scores[np.argsort(distances)[: case.k]].mean()
    return out


def try_case(seed: int, folder) -> None:
    rng = np.random.default_rng(seed)
    case = generate(rng)
    folder.mkdir()
    write(case, folder, rng)
    told = f"seed {seed}: {case._replace(names=case.names[:1], scores=0, labels=0, features=0)}"
    code, out, lines = call(
        "evaluate", "--scores", folder / SCORES, "--ground-truth", folder / LABELS
    )
    assert code == 0, (told, lines)
    assert f"{N} of {N} clips" in out, (told, out)
    assert f"{100 * roc_auc_score(case.labels, case.scores):.2f}" in out, (told, out)
    arguments = ["--features", folder / f"{FEATURES}.{case.table}", "--groups", "none"]
    arguments += ["--k", case.k, "--out", folder / OUT]
    code, out, lines = call("smooth", "--scores", folder / SCORES, *arguments)
    assert code == 0, (told, lines)
    with (folder / OUT).open(encoding="utf-8") as file:
        rows = {row["name"]: float(row["score"]) for row in csv.DictReader(file)}
    assert set(rows) == set(case.names), told
    got = np.asarray([rows[name] for name in case.names])
    scale = np.abs(case.scores).max()
    np.testing.assert_allclose(got / scale, smoothed(case) / scale, atol=3e-6, err_msg=told)


def test_cases(tmp_path):
    for seed in range(12):
        try_case(seed, tmp_path / str(seed))


@pytest.mark.soak
@pytest.mark.parametrize("block", range(5))
def test_many_cases(tmp_path, block):
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        try_case(seed, tmp_path / str(seed))
