"""README.md: its example runs as printed, its links and its picture are current."""

import re
from pathlib import Path

import draw_method
import numpy as np
import pytest

from jax_dns import smooth

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "experiments/README.md", "experiments/bench/README.md", "tests/README.md")


def test_the_example_runs_as_printed():
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) == 5
    names: dict = {}
    exec(code, names)
    scores, features, section = names["scores"], names["features"], names["section"]
    assert names["smoothed"].shape == (1000,)
    one = section == 1  # smoothing a section alone is the same
    alone = smooth(scores[one], features[one], 16, pool=names["is_source"][one])
    np.testing.assert_allclose(names["smoothed"][one], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("page", PAGES)
def test_links_and_named_files_exist(page):
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)#]+)\)", text)
    for link in links:
        assert link.startswith("https://") or ((ROOT / page).parent / link).is_file(), link
    for path in re.findall(r"\b((?:jax_dns|experiments|configs|tests|constraints)/[\w/.]+)", text):
        assert (ROOT / path.rstrip(".")).exists(), path


def test_the_front_page_is_short_and_names_the_first_commands():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 130
    assert "make demo" in text and "make test" in text


def test_the_picture_is_what_its_script_draws():
    assert draw_method.PATH.read_text() == draw_method.picture()
