"""The command line of `jax-dns report`: help, and one line for what can't be used."""

import json

import pytest

from jax_dns import cli, config


def call(capsys, *arguments):
    code = cli.main(["report", *map(str, arguments)])
    return code, capsys.readouterr().err.strip().splitlines()


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "config.json").write_text(config.get_config().to_json())
    return tmp_path


def test_no_workdir(tmp_path, capsys):
    assert call(capsys) == (
        2,
        [
            "jax-dns: error: the following arguments are required: --workdir; "
            "see jax-dns report --help"
        ],
    )
    code, lines = call(capsys, "--workdir", tmp_path / "none")
    assert code == 1 and len(lines) == 1 and "is not a folder" in lines[0]


def test_no_config(tmp_path, capsys):
    code, lines = call(capsys, "--workdir", tmp_path)
    assert code == 1 and len(lines) == 1 and "config.json: No such file" in lines[0]


@pytest.mark.parametrize("text", ["{", "[]", '{"seeds": 3}', '{"data": {"root": {}}}', "\xff"])
def test_a_config_that_is_none(tmp_path, capsys, text):
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    code, lines = call(capsys, "--workdir", tmp_path)
    assert code == 1 and len(lines) == 1 and "config.json: not " in lines[0]


def test_no_segments(workdir, capsys):
    code, lines = call(capsys, "--workdir", workdir)
    assert code == 1 and len(lines) == 1 and "no <machine>/segments.npz" in lines[0]


def test_no_recordings_where_named(workdir, capsys):
    code, lines = call(capsys, "--workdir", workdir, "--data-root", workdir / "sound")
    assert code == 1 and len(lines) == 1 and "--data-root" in lines[0]


def test_a_field_that_the_run_did_not_know_has_its_default(workdir):
    from jax_dns.pipeline.workdir import read_config

    fields = json.loads((workdir / "config.json").read_text())
    del fields["evaluation"]["report"]
    fields["data"]["eval_sections"] = [7]
    (workdir / "config.json").write_text(json.dumps(fields))
    found = read_config(workdir)
    assert found.evaluation.report is True and tuple(found.data.eval_sections) == (7,)
