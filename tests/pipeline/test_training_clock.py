"""The share of the trainings that are done, and the time of those left."""

from jax_dns.pipeline import training_clock
from jax_dns.pipeline.training_clock import TrainingClock


def test_shares_and_times(monkeypatch, capsys):
    now = iter([0, 5, 15, 35, 45, 50])
    monkeypatch.setattr(training_clock.time, "monotonic", lambda: next(now))
    clock = TrainingClock({"generative": ("AE", 2), "discriminative": ("SerialOE", 2)})
    clock.restart()  # at 5 s
    clock.finish("generative")  # 10 s
    clock.finish("generative")  # 20 s
    clock.restart()
    clock.finish("discriminative")  # 5 s
    assert capsys.readouterr().out.splitlines() == [
        "trainings: 1 of 4 done (25 %); left: 1 AE, about 10 s, 2 SerialOE, not timed yet",
        "trainings: 2 of 4 done (50 %); left: 2 SerialOE, not timed yet",
        "trainings: 3 of 4 done (75 %); left: 1 SerialOE, about 5 s",
    ]
    monkeypatch.setattr(training_clock.time, "monotonic", lambda: 60)
    clock.finish("discriminative")
    assert capsys.readouterr().out == ""
