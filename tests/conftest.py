"""Shared set-up: types are checked, ranks are strict, compiled programs are kept."""

import os
import tempfile
from importlib.metadata import version
from pathlib import Path

import pytest

# One cache for this process and those it starts; before JAX is imported. XLA compiles
# EfficientNet-B0 for half a minute, once here rather than in every test and child.
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"jax_dns_tests_{os.getuid()}")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compilation takes most of the suite's time, and almost every program runs once: these flags
# halve it. With `XLA_FLAGS= make test` programs are compiled as users have them.
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
if version("jaxlib").startswith("0.10."):  # XLA aborts at a flag that it doesn't know
    QUICK += " --xla_cpu_use_fusion_emitters=false"
if os.environ["JAX_PLATFORMS"] == "cpu":
    os.environ.setdefault("XLA_FLAGS", QUICK)

from jaxtyping import install_import_hook  # noqa: E402

install_import_hook("jax_dns", "beartype.beartype")

import jax  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402
from xdist.scheduler import LoadScopeScheduling  # noqa: E402

from jax_dns.cli import collect_garbage_rarely  # noqa: E402

jax.config.update("jax_numpy_rank_promotion", "raise")
collect_garbage_rarely()  # as in the commands' processes

# Tests that share what takes long to make: one process of `-n` gets them all.
SHARING = {
    "tests/pipeline/": "a finished run",
    "tests/soak/": "an undisturbed run",
    "tests/evaluation/test_umap_plot.py": "compiled UMAP",
    "tests/experiments/test_figures.py": "compiled UMAP",
}
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


class FileByFile(LoadScopeScheduling):
    """Gives a process of `-n` a file of tests at a time, or the files of an entry of SHARING."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return next((what for place, what in SHARING.items() if file.startswith(place)), file)


def pytest_xdist_make_scheduler(config, log):
    """Returns how tests are shared among processes; `make soak`'s go one by one."""
    return None if config.option.markexpr == "soak" else FileByFile(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real recordings, scores and labels, which the project reads and doesn't contain."""
    if not SHARED.is_dir():
        pytest.skip("no folder of real recordings beside the project")
    return SHARED


@pytest.fixture(scope="session")
def download_factory(tmp_path_factory) -> Path:
    """What the server that plays Zenodo serves: sections 00 and 03, whose labels are apart."""
    from made_factory import make_tiny

    return make_tiny(
        tmp_path_factory.mktemp("factory"),
        machines=("fan", "pump"),
        sections=(0, 3),
        train_source=3,
        train_target=1,
        eval_labels=False,
    )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def write_clip(path: Path, seconds: float = 1.0, *, seed: int = 0, **options) -> Path:
    """Writes noise as a recording; options: sample_rate Hz, channels, subtype, samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rate, channels = options.get("sample_rate", 16_000), options.get("channels", 1)
    noise = 0.1 * np.random.default_rng(seed).normal(size=(round(seconds * rate), channels))
    samples = options.get("samples", noise)
    soundfile.write(path, samples, rate, subtype=options.get("subtype", "PCM_16"))
    return path
