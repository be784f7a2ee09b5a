"""configs/README.md: its worked example runs as printed, and its lists are the code's."""

import csv
import inspect
import re
import sys
from pathlib import Path

from made_factory import make_tiny

from jax_dns import components, config
from jax_dns.component_fields import own_fields
from jax_dns.discriminative.mel_input import MelInput
from jax_dns.discriminative.recipe import Recipe
from jax_dns.generative.log_mel import LogMel
from jax_dns.pipeline import run

PAGE = (Path(__file__).parents[1] / "configs/README.md").read_text()


def test_the_worked_example_runs_as_printed(tmp_path, monkeypatch):
    """Beside the cheapest feature space, so that nothing but the example is trained."""
    scorer, settings = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[:2]
    (tmp_path / "my_scores.py").write_text(scorer)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("my_scores", None)
    root = make_tiny(tmp_path / "sound")
    space: dict = {}
    exec(compile(settings, "configs/README.md", "exec"), space)
    c = space["get_config"]()
    assert c.generative.name == "my_scores:loudness"
    c.data.root = str(root)
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.data.segment_seconds = c.data.segment_hop_seconds = 1.0
    c.discriminative = config.discriminative(f"{__name__}:level", eval_batch_size=4)
    c.inlier, c.smoothing.ks = config.inlier("knn"), (1, 2)
    c.evaluation.figures = c.evaluation.report = False
    run(c, tmp_path / "w")
    with (tmp_path / "w/results.csv").open() as file:
        assert {"Loudness", "Proposed"} <= {row["method"] for row in csv.DictReader(file)}


def level(facts):
    """A feature space for the test: the level of each quarter of a segment."""
    import numpy as np

    from jax_dns.types import FittedModel

    def features(variables, audio):
        return np.asarray(audio).reshape(len(audio), 4, -1).std(-1)

    return FittedModel("Level", lambda batches, seed: {}, features)


SHARED = (LogMel, MelInput, Recipe)  # records whose fields are listed once, below the tables


def test_every_component_is_listed_with_its_fields():
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", PAGE, re.MULTILINE))
    for factories in components.COMPONENTS.values():
        for name, factory in factories.items():
            if ":" in name:
                continue
            fields = own_fields(factory)
            records = [p.default for p in inspect.signature(factory).parameters.values()]
            shared = {f for r in records if isinstance(r, SHARED) for f in r._fields}
            assert set(re.findall(r"`(\w+)`", rows[name])) == fields.keys() - shared, name
            assert all(f"`{field}`" in PAGE for field in shared)


def test_every_layout_and_common_field_is_listed():
    for name in components.LAYOUTS:
        assert re.search(rf"^\| `{name}`", PAGE, re.MULTILINE), name
    for kind in components.COMPONENTS:
        for field in config.COMMON_FIELDS[kind] - {"name"}:
            assert f"`{field}`" in PAGE, (kind, field)
