"""Generated ground-truth files and command lines: right labels, a result, or one clear error."""

import random

import pytest
from soak.fuzzing import CONFIG, call, command, good_root, time_limit
from soak.sounds import wav

from jax_dns import config as fields
from jax_dns.data.layouts import index_clips

CLIPS = [f"section_03_source_test_{i:04d}.wav" for i in range(6)]
FILE = "ground_truth_fan_section_03_source_test.csv"


def table(rng: random.Random) -> tuple[str, bytes, dict[str, int] | None]:
    """A kind of ground-truth file, its bytes, and the labels in it or None for an error."""
    labels = {name: rng.randint(0, 1) for name in CLIPS}
    lines = [f"{name},{label}" for name, label in labels.items()]
    plain = "\n".join(lines) + "\n"
    i = rng.randrange(len(lines))
    shuffled = rng.sample(lines, len(lines))
    without = {name: label for name, label in labels.items() if name != CLIPS[i]}
    contrary = f"{CLIPS[i]},{1 - labels[CLIPS[i]]}"

    def spoilt(line: str) -> bytes:
        return "\n".join(lines[:i] + [line] + lines[i + 1 :]).encode()

    cases = {
        "plain": (plain.encode(), labels),
        "unordered": ("\n".join(shuffled).encode(), labels),
        "windows": ("\ufeff" + "\r\n".join(lines)).encode(),
        "quoted": ("".join(f'"{n}","{v}"\n' for n, v in labels.items()).encode(), labels),
        "spaces": ("".join(f" {n} , {v} \n" for n, v in labels.items()).encode(), labels),
        "blank lines": (("\n\n" + plain + "\n\n").encode(), labels),
        "doubled": ("\n".join(lines + lines[:i]).encode(), labels),
        "extra": ((plain + "section_03_source_test_9999.wav,1\n").encode(), labels),
        "missing": ("\n".join(lines[:i] + lines[i + 1 :]).encode(), without),
        "empty": (b"", None),
        "both labels": ((plain + contrary).encode(), None),
        "header": (("filename,label\n" + plain).encode(), None),
        "utf-16": (plain.encode("utf-16"), None),
        "latin-1": ((plain + "été.wav,0\n").encode("latin-1"), None),
        "noise": (rng.randbytes(300), None),
        "label": (spoilt(f"{CLIPS[i]},{rng.choice(['2', '', '0.0', 'normal', '-1', '١'])}"), None),
        "semicolons": (plain.replace(",", ";").encode(), labels),
        "tabs": (plain.replace(",", "\t").encode(), labels),
        "mixed": (spoilt(lines[i].replace(",", ";")), None),
        "columns": (spoilt(f"{CLIPS[i]},0,0"), None),
        "one column": (spoilt(CLIPS[i]), None),
        "long line": (spoilt("x" * 200_000 + ",0"), None),
        "NUL": (spoilt(f"{CLIPS[i]},0\x00"), None),
        "open quote": (spoilt(f'"{CLIPS[i]},0'), None),
    }
    cases["windows"] = (cases["windows"], labels)
    kind = rng.choice(list(cases))
    return kind, *cases[kind]


def try_table(seed, folder):
    kind, content, labels = table(random.Random(seed))
    root = good_root(folder / "root")
    for name in CLIPS:
        path = root / "eval_data/fan/source_test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wav(b"\x01\x00" * 600))
    (root / FILE).write_bytes(content)
    with time_limit(20):
        code, message = call(root, folder / "w")
    if labels is None:
        assert code == 1 and FILE in message, (seed, kind, message)
        return
    assert code == 0, (seed, kind, message)
    found = {clip.name: clip.label for clip in index_clips(root)["fan"] if clip.section == 3}
    assert found == {name: labels.get(name, -1) for name in CLIPS}, (seed, kind)


def test_tables(tmp_path):
    for seed in range(30):
        try_table(seed, tmp_path / str(seed))


@pytest.mark.soak
@pytest.mark.parametrize("block", range(4))
def test_many_tables(tmp_path, block):
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        try_table(seed, tmp_path / str(seed))


def test_a_table_that_is_a_folder(tmp_path):
    root = good_root(tmp_path / "root")
    (root / "fan/source_test/section_00_source_test_normal_0000.wav").rename(
        root / "fan/source_test/section_00_source_test_0000.wav"
    )
    (root / "ground_truth_fan_section_00_source_test.csv").mkdir()
    code, message = call(root, tmp_path / "w")
    assert code == 1 and "can't be read" in message


def every_field() -> list[str]:
    """All fields of a config, with dots."""
    found = []
    for name, value in fields.get_config().items():
        found += [f"{name}.{n}" for n in value] if hasattr(value, "items") else [name]
    return found


VALUES = [
    "",
    "0",
    "-1",
    "1e400",
    "nan",
    "inf",
    "99999999999999999999",
    "(",
    "()",
    "(1,)",
    "x" * 999,
]
VALUES += ["True", "None", "\u0663", "a,b", "../..", "\udcff", "0.5", "{}", "lambda:0"]


def try_field(seed, root, workdir):
    rng = random.Random(seed)
    field = rng.choice(every_field())
    # A synthetic data set can hold any amount of sound: that is no error, and takes its time.
    if not field.startswith("synthetic.") and field != "data.root":
        value = rng.choice(VALUES)
        with time_limit(20):
            call(root, workdir, f"--config.{field}={value}")


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Lets relative folders, as `data.cache` may name, be made in the test's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_fields(tmp_path, inside):
    root = good_root(tmp_path / "root")
    for seed in range(60):
        try_field(seed, root, tmp_path / "w")


@pytest.mark.soak
@pytest.mark.parametrize("block", range(4))
def test_many_fields(tmp_path, inside, block):
    root = good_root(tmp_path / "root")
    for seed in range(1000 + 75 * block, 1075 + 75 * block):
        try_field(seed, root, tmp_path / "w")


ARGUMENTS = [
    "--stages=",
    "--stages=,",
    "--stages=index,index",
    "--stages=\udcff",
    "--workdir=",
    "--config=",
    "--config",
    "--workdir",
    "--",
    "-",
    "---",
    "--config.data",
    "--config.data=1",
    "--config.x.y=1",
    "--nonsense",
    "=",
    "--=",
    "\u202e",
    "run",
    "--stages",
    "--helpfull",
    "--flagfile=/nowhere",
    "--config.seeds=(0,",
    "--config.data.root=\x01",
    "--config:nothing",
    "--only_check_args",
]


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_arguments(tmp_path, argument, monkeypatch):
    root = good_root(tmp_path / "root")
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    with time_limit(20):
        call(root, tmp_path / "w", argument)
    assert not [*here.iterdir()]  # nothing is written where the command was started


@pytest.mark.parametrize(
    "text",
    [
        "def",
        "x = 1",
        "get_config = 3",
        "def get_config(): return 1",
        "import nothing_of_that_name",
        "def get_config(): raise KeyError('a')",
        "\x00",
        "def get_config(x): return x",
    ],
)
def test_configs(tmp_path, text):
    path = tmp_path / "config.py"
    path.write_text(text)
    with time_limit(20):
        code, message = command(f"--config={path}", f"--workdir={tmp_path / 'w'}")
    assert code == 2 and "--config" in message
    code, message = command(f"--config={tmp_path}", f"--workdir={tmp_path / 'w'}")
    assert code == 2 and "no such file" in message
    assert command(f"--config={CONFIG}", f"--workdir={path}")[0] == 1
