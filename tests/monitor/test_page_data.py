"""What the page reads: levels, curves, neighbours, and Prometheus' text."""

import contextlib

import numpy as np
import pytest

from jax_dns.monitor import page_data
from jax_dns.monitor.history import ClipRecord, History

NAME = 'f"a\\n'


@pytest.fixture
def folder(tmp_path):
    with contextlib.closing(History.open(tmp_path, k=3)) as history:
        for i in range(6):
            record = ClipRecord(f"{i}.wav", str(i), 60.0 * i, p=0.1 * i, level="alarm")
            features = np.full((2, 1), float(i * i)) + [[0.0], [0.1]]
            history.append(NAME, 2, record, np.ones(2) * i, features)
        history.emit("drift", machine=NAME, section=2, p=0.25, warning=False)
    return tmp_path


def test_sections_at_a_glance(folder):
    with page_data.reading(folder) as connection:
        (row,) = page_data.sections(connection)
        assert (row["machine"], row["section"], row["level"], row["clips"]) == (NAME, 2, "alarm", 6)
        assert row["recent"] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
        assert row["drift"]["p"] == 0.25 and row["look_back"] is None
    with contextlib.closing(History.open(folder)) as history:
        history.connection.execute("UPDATE section SET reset = 6")
    with page_data.reading(folder) as connection:
        assert page_data.sections(connection)[0]["level"] == "normal"


def test_a_clips_nearest_are_other_clips_nearest_first(folder):
    with page_data.reading(folder) as connection:
        clip = page_data.clip(connection, 3)  # at 4
        assert [n["name"] for n in clip["neighbors"]] == ["1.wav", "0.wav", "3.wav", "4.wav"]
        assert clip["neighbors"][0]["distance"] == pytest.approx(2.9)
        assert page_data.clip(connection, 99) is None
        rows = page_data.clips(connection, NAME, 2)
        assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6]
        # K = 3: the clip's other segment, and of 2.wav's at 4 the nearest at 1.1.
        assert rows[2]["smoothed"] == pytest.approx(5 / 3)
        with pytest.raises(Exception, match="readonly"):
            connection.execute("DELETE FROM clip")


def test_metrics_are_escaped(folder):
    with page_data.reading(folder) as connection:
        text = page_data.prometheus(connection)
    where = r'{machine="f\"a\\n",section="02"}'
    assert f"jax_dns_clips_total{where} 6\n" in text and f"jax_dns_level{where} 2\n" in text
    assert f"jax_dns_drift_p_value{where} 0.25\n" in text
    assert 'jax_dns_events_total{event="drift"} 1\n' in text
    names = [line.lstrip("# HELPTY").partition("{")[0].split()[0] for line in text.splitlines()]
    groups = [name for name, before in zip(names, ["", *names]) if name != before]
    assert len(groups) == len(set(groups)) == 5  # each metric's lines are together
