"""The command line of `jax-dns compare`; what it prints is tested in pipeline/test_compare.py."""

from jax_dns import cli


def test_both_paths_are_passed_on_whole(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        "jax_dns.pipeline.compare.compare", lambda a, b: calls.append((a, b)) or "a table\n"
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main(["compare", "one", str(tmp_path / "two")]) == 0
    assert calls == [(tmp_path / "one", tmp_path / "two")]
    assert capsys.readouterr().out == "a table\n"


def test_what_cannot_be_compared(tmp_path, capsys):
    assert cli.main(["compare", "one"]) == 2
    assert "required: B" in capsys.readouterr().err
    assert cli.main(["compare", "gs://a", str(tmp_path)]) == 2
    assert "A: gs://a, expected a local path" in capsys.readouterr().err
    assert cli.main(["compare", str(tmp_path / "none"), str(tmp_path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
