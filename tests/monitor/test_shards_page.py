"""The page of several histories: a list of them, and each one's own page."""

import contextlib

import numpy as np
import pytest
import requests

pytest.importorskip("starlette", reason="extra monitor")

from jax_dns.data.decode import Format
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.shards_page import make_shards_app
from jax_dns.monitor.web_page import serve

NAMES = ("fan", "<b>&扇", "pump")


@pytest.fixture
def folders(tmp_path):
    """Histories of three machine types; the last has none yet."""
    folders = {name: tmp_path / str(i) for i, name in enumerate(NAMES)}
    for name, level in zip(NAMES[:2], ("normal", "alarm")):
        with contextlib.closing(History.open(folders[name], k=2)) as history:
            record = ClipRecord(f"{level}.wav", "1", 60.0, p=0.5, level=level)
            history.append(name, 3, record, np.ones(1), np.ones((1, 2)))
    return folders


def served(folders, token=""):
    app = make_shards_app(folders, dict.fromkeys(NAMES, Format(8000)), token=token)
    return serve(app, host="127.0.0.1", port=0, token=token)


def test_each_history_has_its_own_page(folders):
    with served(folders) as address:
        page = requests.get(address, timeout=60)
        assert "<title>Alarm" in page.text and "default-src 'self'" in str(page.headers)
        assert "&lt;b&gt;&amp;扇" in page.text and "<b>" not in page.text
        levels = [text.partition('"')[0] for text in page.text.split('<a class="')[1:]]
        assert levels == ["normal", "alarm", "starting"]
        links = [text.partition('"')[0] for text in page.text.split('href="')[-3:]]
        assert "1 section, 1 clip" in page.text and len(links) == 3
        assert requests.get(f"{address}{links[0]}", timeout=60).text.startswith("<!doctype html>")
        for link, name in zip(links, NAMES[:2]):
            (row,) = requests.get(f"{address}{link}api/sections", timeout=60).json()
            assert row["machine"] == name
            assert requests.get(f"{address}{link}monitor.js", timeout=60).status_code == 200
        assert requests.get(f"{address}saw/", timeout=60).status_code == 404


def test_all_pages_need_the_token(folders):
    with served(folders, "secret") as address:
        base = address.partition("?")[0]
        for path in ("", "fan/", "fan/api/sections", "monitor.css"):
            assert requests.get(f"{base}{path}", timeout=60).status_code == 403
        session = requests.Session()
        assert session.get(address, timeout=60).status_code == 200
        assert session.get(f"{base}fan/api/sections", timeout=60).status_code == 200
