"""A run's folder: its format, and what is read again of it."""

import json

import pytest

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.pipeline.workdir import (
    check_format,
    make_workdir,
    read_config,
    read_provenance,
    write_provenance,
)


def test_a_config_is_read_as_it_was_written(tmp_path):
    c = config.get_config()
    c.seeds = (3, 4)
    c.generative = config.generative("idnn", epochs=7)
    write_provenance(c, tmp_path, "jax-dns run")
    again = read_config(tmp_path)
    assert tuple(again.seeds) == (3, 4) and again.generative.name == "idnn"
    assert again.generative.epochs == 7 and "frames" not in again.generative
    assert read_provenance(tmp_path)["command"] == "jax-dns run"


def test_an_earlier_versions_folder_is_refused_and_left_alone(tmp_path):
    (tmp_path / "versions.json").write_text('{"format_version": 1}')
    with pytest.raises(InputError, match=r"earlier version of jax-dns .format 1, expected"):
        run(config.get_config(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["versions.json"]
    (tmp_path / "versions.json").write_text("{")
    with pytest.raises(InputError, match="format unreadable"):
        check_format(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected the workdir of a jax-dns run"),
        ("{", "not JSON"),
        ("[]", "not a config of jax-dns"),
        (json.dumps({"seeds": []}), "not a config of jax-dns"),
    ],
)
def test_configs_that_cannot_be_read(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=message):
        read_config(tmp_path)


def test_the_home_folder_and_remote_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert make_workdir("~/runs/x") == tmp_path / "runs/x"
    with pytest.raises(InputError, match="workdir: gs://bucket/run, expected a local path"):
        make_workdir("gs://bucket/run")
