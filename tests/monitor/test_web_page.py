"""The page: who may see it, what it answers, and how it works in a browser."""

import contextlib
import json
import logging
import shutil
import subprocess
import threading

import numpy as np
import pytest
import requests
from monitor import toy_monitor as toy
from monitor.test_service import put

pytest.importorskip("starlette", reason="extra monitor")
from starlette.responses import Response
from starlette.routing import Route

from jax_dns.data.decode import Format
from jax_dns.errors import InputError
from jax_dns.monitor import service
from jax_dns.monitor import web_page as page

FORMATS = {"fan": Format(toy.RATE)}
NAME = "section_00_<img src=x onerror=alert(1)>&扇.wav"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
LOOK = """
// A frame that is still being written holds back the load event, which the browser waits for.
const frame = document.body.appendChild(document.createElement("iframe"));
frame.hidden = true;
frame.contentDocument.open();
const until = async (test) => {
  for (let i = 0; i < 400 && !test(); i++) await new Promise((done) => setTimeout(done, 50));
  return test();
};
const all = (query) => [...document.querySelectorAll(query)];
(async () => {
  const found = {};
  await until(() => all("#sections button").length == 2);
  found.sections = all("#sections button").map((b) => b.className);
  all("#sections button")[0].click();
  await until(() => all("#clips button").length > 4 && document.activeElement.id == "section-name");
  found.focus = document.activeElement.id;
  found.lines = all("#curve polyline").map((line) => line.getAttribute("points").split(" ").length);
  found.hits = all("#curve path").length;
  found.levels = all("#curve rect").length;
  found.range = document.getElementById("range").innerText;
  all("#clips button").find((b) => b.innerText.includes("onerror")).click();
  await until(() => all("figure[data-ready]").length == 5);
  found.name = document.getElementById("clip-name").innerText;
  found.images = document.images.length;
  found.canvases = all("canvas").map((canvas) => canvas.width);
  const player = all("audio")[0];
  const loaded = new Promise((done) => { player.onloadedmetadata = player.onerror = done; });
  player.preload = "metadata"; player.load(); await loaded;
  found.seconds = player.duration;
  found.width = innerWidth;
  found.wide = document.documentElement.scrollWidth > innerWidth;
  found.reachable = all("button, audio").every((e) => e.tabIndex == 0);
  found.small = all("button").filter((b) => b.getBoundingClientRect().height < 40).length;
  all("[data-kind=normal]")[0].click();
  await until(() => document.getElementById("answer").innerText);
  found.answer = document.getElementById("answer").innerText;
  // Live: the service applies the request, and the page shows it without a reload.
  await until(() => document.getElementById("clip-facts").innerText.includes("normal"));
  await until(() => all("#sections button")[0].className == "normal");
  found.after = all("#sections button")[0].className;
  await fetch("found", { method: "POST", headers: { "Content-Type": "application/json" },
                         body: JSON.stringify(found) });
  frame.contentDocument.close();
})();
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A history of 30 clips; the last two of section 0 are faults, one with a name like HTML."""
    root = tmp_path_factory.mktemp("page")
    for i in range(28):
        put(root / "inbox", i, section=i % 2)
    for i in (28, 29):
        path = put(root / "inbox", i, level=30 + i)
        if i == 29:
            path.rename(path.with_name(NAME))
    monitor = toy.open_toy(root / "inbox", root / "history")
    with contextlib.closing(monitor.history):
        service.run(monitor, lambda event: None, once=True)
    return root / "history"


@pytest.fixture
def address(folder):
    with page.serve(
        page.make_app(folder, FORMATS, token=""), host="127.0.0.1", port=0, token=""
    ) as address:
        yield address


def test_answers(address):
    rows = requests.get(f"{address}api/sections", timeout=60).json()
    assert [(r["machine"], r["section"], r["level"]) for r in rows] == [
        ("fan", 0, "alarm"),
        ("fan", 1, "normal"),
    ]
    clips = requests.get(f"{address}api/section?machine=fan&section=0", timeout=60).json()
    assert len(clips) == 16 and clips[-1]["name"] == NAME
    number = clips[-1]["id"]
    clip = requests.get(f"{address}api/clip/{number}", timeout=60).json()
    assert clip["neighbors"] and clip["section"] == 0
    answer = requests.get(f"{address}api/clip/{number}/sound", timeout=60)
    assert answer.headers["content-type"] == "audio/flac" and answer.content[:4] == b"fLaC"
    levels = requests.get(f"{address}api/clip/{number}/mel", timeout=60).content
    assert len(levels) % 64 == 0 and max(levels) == 255
    assert "jax_dns_level" in requests.get(f"{address}metrics", timeout=60).text
    headers = requests.get(address, timeout=60).headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    with requests.get(f"{address}events", stream=True, timeout=60) as stream:
        assert next(stream.iter_lines()).startswith(b"data: ")


@pytest.mark.parametrize(
    "path", ["nowhere", "api/clip/99", "api/clip/99/sound", "api/clip/99/mel", "../history.sqlite3"]
)
def test_what_is_not_there(address, path):
    assert requests.get(address + path, timeout=60).status_code == 404


def test_only_the_page_itself_may_acknowledge(address, folder):
    where, body = f"{address}api/acknowledge", json.dumps({"clip": 1, "kind": "fault"})
    kind = {"Content-Type": "application/json"}
    for headers in ({}, kind | {"Origin": "http://elsewhere"}, {"Content-Type": "text/plain"}):
        answer = requests.post(where, data=body, headers=headers, timeout=60)
        assert answer.status_code == 403
    for wrong in (
        "",
        "[]",
        '{"clip": 1}',
        '{"clip": 1, "kind": "x"}',
        '{"clip": 99, "kind": "fault"}',
    ):
        answer = requests.post(where, data=wrong, headers=kind, timeout=60)
        assert answer.status_code == 400 and answer.json()["error"]
    answer = requests.get(address, headers={"Host": "elsewhere.example"}, timeout=60)
    assert answer.status_code == 403
    assert requests.put(where, data=body, headers=kind, timeout=60).status_code == 405


def test_other_addresses_need_a_token(folder):
    with (
        pytest.raises(InputError, match=r"--host: 0.0.0.0, expected --token"),
        page.serve(page.make_app(folder, FORMATS, token=""), host="0.0.0.0", port=0, token=""),
    ):
        pass
    with page.serve(
        page.make_app(folder, FORMATS, token="secret"), host="127.0.0.1", port=0, token="secret"
    ) as address:
        base = address.partition("?")[0]
        assert requests.get(base, timeout=60).status_code == 403
        assert requests.get(f"{base}?token=wrong", timeout=60).status_code == 403
        assert requests.get(f"{base}api/sections", timeout=60).status_code == 403
        session = requests.Session()
        assert session.get(address, timeout=60).status_code == 200
        assert session.get(f"{base}api/sections", timeout=60).status_code == 200
        header = {"Authorization": "Bearer secret"}
        assert requests.get(f"{base}metrics", headers=header, timeout=60).status_code == 200
        port = int(base.rstrip("/").rpartition(":")[2])
        with (
            pytest.raises(InputError, match=f"127.0.0.1:{port} can't be listened on"),
            page.serve(
                page.make_app(folder, FORMATS, token=""), host="127.0.0.1", port=port, token=""
            ),
        ):
            pass


def test_the_page_closes_nobodys_log(folder, monkeypatch):
    """A handler of the process, absl's for instance, would close stderr with itself."""
    handler, closed = logging.NullHandler(), []
    monkeypatch.setattr(handler, "close", lambda: closed.append(handler))
    app = page.make_app(folder, FORMATS, token="")
    with page.serve(app, host="127.0.0.1", port=0, token=""):
        assert not closed


def test_levels_of_a_spectrogram():
    t = np.arange(8000) / 8000
    levels = page.mel_levels((3000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16), 8000)
    assert levels.max() == 255 and levels[levels.mean(1).argmax()].mean() > 200
    assert page.mel_levels(np.zeros(10, np.int16), 8000).shape[0] == 64


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_in_a_browser(folder, tmp_path, width, monkeypatch):
    """A window of 390 pixels is narrower than the browser's narrowest; a frame is not."""
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome installed")
    history = shutil.copytree(folder, tmp_path / "history")
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    found, stop = [], threading.Event()

    async def take(request):
        found.append(await request.json())
        return Response()

    framing = page.HEADERS["Content-Security-Policy"].replace("'none'", "'self'")
    monkeypatch.setitem(page.HEADERS, "Content-Security-Policy", framing)
    app = page.make_app(history, FORMATS)
    frame = f'<!doctype html><iframe src="look" width="{width}" height="1700"></iframe>'
    html = (page.HERE / "monitor.html").read_text()
    looking = html.replace("</html>", '<script src="look.js"></script></html>')
    app.routes.append(Route("/look", lambda _: Response(looking, media_type="text/html")))
    app.routes.append(Route("/frame", lambda _: Response(frame, media_type="text/html")))
    app.routes.append(Route("/look.js", lambda _: Response(LOOK, media_type="text/javascript")))
    app.routes.append(Route("/found", take, methods=["POST"]))

    def work():
        monitor = toy.open_toy(inbox, history)
        with contextlib.closing(monitor.history):
            while not stop.wait(0.2):
                service.run(monitor, lambda event: None, once=True)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with page.listen(app, "127.0.0.1", 0) as address:
            options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"]
            options += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
            options += [f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1800"]
            options += [
                f"--screenshot={tmp_path / 'page.png'}",
                f"{address}/{'look' if width > 500 else 'frame'}",
            ]
            subprocess.run([BROWSER, *options], capture_output=True, timeout=120, check=True)
    finally:
        stop.set()
        worker.join()
    (seen,) = found
    assert seen["sections"] == ["alarm", "normal"] and seen["focus"] == "section-name"
    assert seen["hits"] == 2 and seen["levels"] == 1  # two clips, the alarm behind one of them
    assert seen["range"].startswith("last 16 clips, ")
    assert seen["lines"] == [16, 16] and seen["name"] == NAME and seen["images"] == 0
    assert len(seen["canvases"]) == 5 and min(seen["canvases"]) >= 4
    assert seen["seconds"] == pytest.approx(1000 / toy.RATE, abs=0.01)
    assert seen["width"] == width and not seen["wide"]
    assert seen["reachable"] and seen["small"] == 0
    assert seen["answer"] == "Told the monitor." and seen["after"] == "normal"
    assert (tmp_path / "page.png").stat().st_size > 10_000
