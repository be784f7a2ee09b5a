"""The page of several histories: each machine type's own page, and a list of them."""

import html
import sqlite3
from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from jax_dns.data.decode import Format
from jax_dns.monitor import page_data
from jax_dns.monitor.web_page import file_route, guarded, make_app
from jax_dns.wording import counted

LEVELS = ("starting", "normal", "warning", "alarm")
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="10">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="monitor.css">
<header><h1>Machine types</h1></header>
<main><ul id="sections">{items}</ul></main>
</html>
"""
ITEM = """<li><a class="{level}" href="{address}/"><span class="level">{level}</span>
<strong>{name}</strong><br><small>{facts}</small></a></li>"""


def make_shards_app(
    folders: dict[str, Path], formats: dict[str, Format], *, token: str = ""
) -> Starlette:
    """Makes the application.

    Args:
      folders: machine type -> folder of its history, which need not exist yet.
      formats: machine type -> format of its recordings.
      token: see `web_page.serve`.
    """

    def overview(request: Request) -> Response:
        levels, items = [], []
        for name, folder in folders.items():
            level, facts = _at_a_glance(folder)
            levels.append(level)
            fields = dict(name=html.escape(name), address=quote(name, safe=""))
            items.append(ITEM.format(level=level, facts=facts, **fields))
        title = "Alarm – Machine types" if "alarm" in levels else "Machine types"
        return HTMLResponse(PAGE.format(title=title, items="\n".join(items)))

    pages = [
        Mount(f"/{name}", make_app(folder, formats, token=token))
        for name, folder in folders.items()
    ]
    return guarded([Route("/", overview), file_route("monitor.css"), *pages], token)


def _at_a_glance(folder: Path) -> tuple[str, str]:
    """Returns the highest level of a history's sections, and the number of its clips."""
    try:
        with page_data.reading(folder) as connection:
            rows = page_data.sections(connection)
    except sqlite3.OperationalError:  # no history yet
        return LEVELS[0], "no clips yet"
    level = max((row["level"] for row in rows), key=LEVELS.index, default="normal")
    clips = sum(row["clips"] for row in rows)
    return level, f"{counted(len(rows), 'section')}, {counted(clips, 'clip')}"
