"""`jax-dns score`: its options; what it does is in pipeline/test_score.py."""

from jax_dns import cli
from jax_dns.pipeline import score as score_module


def test_the_options_reach_the_pipeline(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(
        score_module, "score", lambda *arguments, **options: calls.append((arguments, options))
    )
    arguments = [f"--workdir={tmp_path}", f"--data={tmp_path}", "--out=scored", "--with-history"]
    assert cli.main(["score", *arguments]) == 0
    ((trained, data, out), options) = calls[0]
    assert trained == data == tmp_path and str(out) == "scored"
    assert options["with_history"] and options["command"].startswith("jax-dns score --workdir=")


def test_help_and_missing_options(capsys):
    assert cli.main(["score", "--workdir=x"]) == 2
    assert "--data, --out; see jax-dns score --help" in capsys.readouterr().err
