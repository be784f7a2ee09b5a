"""The report in a real browser: pictures are decoded, players know their sound's length."""

import html
import json
import re
import shutil
import subprocess

import pytest
from pipeline import report_workdirs

from jax_dns import cli

pytest.importorskip("matplotlib", reason="extra viz")
pytest.importorskip("jinja2", reason="extra viz")

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
POLICY = re.compile(r'(?<=http-equiv="Content-Security-Policy" content=")[^"]*')
LOOK = """<script>
const loaded = (element, event) => new Promise((resolve) => {
  element.addEventListener(event, () => resolve(true));
  element.addEventListener("error", () => resolve(false));
});
// A frame that is still being written holds back the load event, which the browser waits for:
// sound is decoded by another thread, in its own time.
const frame = document.body.appendChild(document.createElement("iframe"));
frame.contentDocument.open();
const box = (element) => {
  const { left, top, right, bottom } = element.getBoundingClientRect();
  return { left, top: top + scrollY, right, bottom: bottom + scrollY };
};
(async () => {
  const parts = [...document.querySelectorAll("details")];
  const folded = parts.map((part) => !part.open && box(part).bottom - box(part).top < 150);
  for (const part of parts) part.open = true;
  const images = [...document.images], players = [...document.querySelectorAll("audio")];
  const before = players.map((player) => player.readyState);
  const waiting = players.map((player) => loaded(player, "loadedmetadata"));
  for (const player of players) { player.preload = "metadata"; player.load(); }
  for (const image of images) { image.loading = "eager"; await image.decode().catch(() => 0); }
  await Promise.all(waiting);
  document.body.dataset.found = JSON.stringify({
    widths: images.map((image) => image.naturalWidth), before,
    lengths: players.map((player) => player.duration),
    plays: players.map((player) => player.canPlayType(player.src.match(/^data:([^;]*)/)[1])),
    wide: document.documentElement.scrollWidth > innerWidth,
    folded, answer: box(document.querySelector("h1")), table: box(document.querySelector("table")),
    hmean: box([...document.querySelectorAll("th")].find((th) => th.innerText == "All-hmean")),
    panels: [...document.querySelectorAll(".panels")].map((p) => [...p.children].map(box)),
    cards: [...document.querySelectorAll(".clips")].map((list) => [...list.children].map(box)),
    tops: [...document.querySelectorAll(".top")].map(box),
  });
  frame.contentDocument.close();
})();
</script>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    if BROWSER is None:
        pytest.skip("no Chromium or Chrome installed")
    root = tmp_path_factory.mktemp("browser")
    workdir = report_workdirs.make(root, machines=("fan", report_workdirs.MACHINE))
    assert cli.main(["report", "--workdir", str(workdir)]) == 0
    return workdir / "report.html"


def browse(page, profile, *options):
    command = [BROWSER, *OPTIONS, f"--user-data-dir={profile}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.mark.parametrize("width", [1280, 500])
def test_pictures_and_players_are_there(page, tmp_path, width):
    # The page allows no script; a copy that does is asked what it holds.
    text = page.read_text()
    look = tmp_path / "look.html"
    text = POLICY.sub(lambda policy: f"{policy[0]}; script-src 'unsafe-inline'", text)
    look.write_text(text.replace("</body>", f"{LOOK}</body>"))
    done = browse(
        look,
        tmp_path / "profile",
        f"--window-size={width},900",
        "--dump-dom",
    )
    answer = re.search(r'data-found="([^"]*)"', done.stdout)
    assert answer, "the page's script came to no end"
    found = json.loads(html.unescape(answer[1]))
    assert len(found["widths"]) == 20 and min(found["widths"]) > 50
    assert len(found["lengths"]) == 20 and set(found["before"]) == {0}  # nothing loads by itself
    assert all(2 <= seconds < 2.3 for seconds in found["lengths"])
    assert all(found["plays"]) and not found["wide"]
    assert_order(found, width)


def assert_order(found, width):
    """The answer, then the table with All-hmean in sight, then folded parts without orphans."""
    assert found["folded"] == [True, True]
    assert found["answer"]["bottom"] < 450 and found["answer"]["bottom"] < found["table"]["top"]
    assert found["hmean"]["right"] < width
    assert len(found["panels"]) == 4
    for first, second in found["panels"]:
        assert second["bottom"] - second["top"] > 100
        if width < 800:
            assert second["top"] >= first["bottom"] and first["left"] == second["left"]
        else:
            assert second["top"] == first["top"] and second["left"] >= first["right"]
    for cards, top in zip(found["cards"], found["tops"]):
        columns = {card["left"] for card in cards}
        assert len(cards) == 10 and len(columns) == (1 if width < 600 else 2)
        last_row = [card for card in cards if card["top"] == cards[-1]["top"]]
        assert len(last_row) == len(columns)
        if width > 1000:
            assert top["left"] > max(card["right"] for card in cards)


def test_screenshot_without_a_complaint(page, tmp_path):
    from PIL import Image

    shot = tmp_path / "report.png"
    done = browse(
        page,
        tmp_path / "profile",
        "--window-size=1280,3000",
        f"--screenshot={shot}",
        "--virtual-time-budget=5000",
        "--enable-logging=stderr",
    )
    assert "Content Security Policy" not in done.stderr and "Refused" not in done.stderr
    with Image.open(shot) as image:
        assert image.size == (1280, 3000)
        assert len(image.convert("RGB").getcolors(1 << 24)) > 1000  # spectrograms, not one colour
