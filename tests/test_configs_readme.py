"""configs/README.md: its worked example runs as printed, and its lists are the code's."""

import csv
import re
import sys
from pathlib import Path

from made_factory import make_tiny

from jax_dns import components, config
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


def test_every_component_and_common_field_is_listed():
    for kind, factories in components.COMPONENTS.items():
        for name in factories:
            if ":" not in name:
                assert f"| `{name}` |" in PAGE, (kind, name)
    for kind in components.COMPONENTS:
        for field in config.COMMON_FIELDS[kind] - {"name"}:
            assert f"`{field}`" in PAGE, (kind, field)
