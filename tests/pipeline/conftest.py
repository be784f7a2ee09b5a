"""A small factory and one run on it, shared by the tests of the whole path."""

import shutil

import pytest
from made_factory import make_tiny

from jax_dns import config
from jax_dns.evaluation import umap_plot
from jax_dns.pipeline import run


def small(root):
    """Two machine types, two sections, clips of 2 s: every stage, with the real networks."""
    c = config.get_config()
    c.data.root = str(root)
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.data.segment_seconds, c.data.segment_hop_seconds = 1.0, 0.5
    c.generative.epochs = 2
    c.generative.batch_size = 4
    c.discriminative.n_mels, c.discriminative.hop_length = 32, 1024
    c.discriminative.epochs, c.discriminative.batch_size, c.discriminative.eval_batch_size = 2, 4, 8
    c.inlier.n_components = (1, 2)
    c.smoothing.ks = (1, 2, 4, 512)
    return c


def toy(root):
    """The same with toy networks, which are traced and compiled in a second; no figures, report."""
    c = small(root)
    c.generative = config.generative(
        "toy_components:scorer", epochs=2, batch_size=4, learning_rate=1e-3
    )
    c.discriminative = config.discriminative(
        "toy_components:extractor", epochs=2, batch_size=4, eval_batch_size=8, save_every=1
    )
    c.evaluation.figures = c.evaluation.report = False
    return c


@pytest.fixture(scope="session")
def factory(tmp_path_factory):
    return make_tiny(
        tmp_path_factory.mktemp("factory"),
        machines=("fan", "valve"),
        train_source=5,
        seconds=2.0,
        eval_labels=False,
    )


@pytest.fixture(scope="session")
def finished(factory, tmp_path_factory):
    """A workdir in which everything is done; not to be changed. Its UMAPs are two features."""
    workdir = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:  # UMAP compiles for ten seconds
        patch.setattr(umap_plot, "umap_places", lambda features, *, seed: features[:, :2])
        run(small(factory), workdir)
    return workdir


@pytest.fixture(scope="session")
def toy_finished(factory, tmp_path_factory):
    """The same with toy networks, for tests that train again or embed again; not to be changed."""
    workdir = tmp_path_factory.mktemp("toy_finished")
    run(toy(factory), workdir)
    return workdir


@pytest.fixture
def workdir(finished, tmp_path):
    """A copy of `finished`, to be changed."""
    return shutil.copytree(finished, tmp_path / "work")


@pytest.fixture
def toy_workdir(toy_finished, tmp_path):
    """A copy of the toy networks' run, to be changed."""
    return shutil.copytree(toy_finished, tmp_path / "work")


@pytest.fixture
def toy_config(factory):
    return toy(factory)


@pytest.fixture
def small_config(factory):
    return small(factory)


@pytest.fixture
def plain_config(small_config):
    """The same without figures and report, which take longest once the networks are trained."""
    small_config.evaluation.figures = small_config.evaluation.report = False
    return small_config
