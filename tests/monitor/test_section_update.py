"""The work for a clip: few lists are written, searches are rare."""

import numpy as np

from jax_dns.monitor import section_update
from jax_dns.monitor.history import ClipRecord, History


def test_searches_are_rare_and_lists_are_written_where_they_changed(tmp_path, rng, monkeypatch):
    searched, written = [], []
    search, write = section_update.search, section_update._write

    def counting_search(queries, *arguments):
        searched.append(len(queries))
        return search(queries, *arguments)

    def counting_write(connection, state, rows, *arguments):
        written.append(len(rows))
        write(connection, state, rows, *arguments)

    monkeypatch.setattr(section_update, "search", counting_search)
    monkeypatch.setattr(section_update, "_write", counting_write)
    history = History.open(tmp_path, k=4, spare=8)
    for i in range(150):
        record = ClipRecord(str(i), str(i), float(i))
        features = rng.normal(size=(2, 4))
        history.append("fan", 0, record, rng.normal(size=2), features, keep_items=200)
    # Of 200 lists, a clip's two items enter some twenty, and two that expire leave as many.
    assert sum(searched) < 10
    assert 20 < np.mean(written[-40:]) * 2 < 90
    assert history.check("fan", 0) < 1e-6
    history.close()
