"""What identifies a run, and the fields that differ from the paper's."""

import json

import pytest

from jax_dns import config
from jax_dns.pipeline.workdir import FORMAT_VERSION
from jax_dns.report.facts import changed_fields, facts


@pytest.fixture
def workdir(tmp_path):
    (tmp_path / "results.csv").write_text("machine\n")
    versions = {"format_version": FORMAT_VERSION, "jax": "1.2.3", "other": "9", "device": "abacus"}
    (tmp_path / "versions.json").write_text(json.dumps(versions))
    return tmp_path


def test_rows_name_what_ran(workdir):
    rows = dict(facts(config.get_config(), workdir, (0, 7), ("fan", "pump")))
    assert rows["Workdir"] == workdir.name
    assert rows["Machine types"] == "fan, pump"
    assert rows["Seeds"] == "0, 7" and "Seed" not in rows
    assert rows["Development sections"] == "0, 1, 2"
    assert rows["Versions"] == "jax 1.2.3"
    assert rows["Device"] == "abacus"
    assert rows["Evaluated"].endswith(" UTC")


def test_what_is_unknown_is_left_out(workdir):
    (workdir / "results.csv").unlink()
    rows = dict(facts(config.get_config(), workdir, (0,), ("fan",)))
    assert rows["Seed"] == "0" and "Evaluated" not in rows


def test_only_changed_and_new_fields_are_listed():
    c = config.get_config()
    assert changed_fields(c) == []
    c.smoothing.ks = (4, 8)
    c.generative = config.generative("frame_pca", n_components=3)
    changed = {name: (value, paper) for name, value, paper in changed_fields(c)}
    assert changed["smoothing.ks"][0] == "4, 8"
    assert changed["generative.name"] == ("frame_pca", "autoencoder")
    assert changed["generative.n_components"] == ("3", "")  # the paper's has no such field
    assert "data.sample_rate" not in changed
