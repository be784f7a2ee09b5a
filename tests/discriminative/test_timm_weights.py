"""State dicts under timm names; what the net computes from them: test_efficientnet."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.make_efficientnet import seeded_state

from jax_dns.discriminative.efficientnet import EfficientNetB0
from jax_dns.discriminative.timm_weights import from_timm, load_timm
from jax_dns.errors import InputError


@pytest.fixture(scope="module")
def state() -> dict[str, np.ndarray]:
    classifier = {"classifier.weight": np.ones((10, 1280)), "classifier.bias": np.ones(10)}
    return seeded_state(0, 3) | classifier


def same(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


@pytest.mark.parametrize("channels", [1, 3])
def test_gives_the_variables_of_the_net(state, channels):
    image = jnp.zeros((1, 32, 32, channels))
    wanted = jax.eval_shape(lambda: EfficientNetB0().init(jax.random.key(0), image, train=False))
    given = from_timm(state, channels)
    assert jax.tree.structure(given) == jax.tree.structure(wanted)
    assert jax.tree.map(np.shape, given) == jax.tree.map(np.shape, wanted)
    assert {a.dtype for a in jax.tree.leaves(given)} == {np.dtype(np.float32)}


def test_the_stem_is_folded_by_summing(state):
    kernel = from_timm(state, 1)["params"]["stem"]["kernel"]
    np.testing.assert_array_equal(kernel[2, 0, 0], state["conv_stem.weight"].sum(1)[:, 2, 0])
    single = state | {"conv_stem.weight": state["conv_stem.weight"][:, :1]}
    kernel = from_timm(single, 1)["params"]["stem"]["kernel"]
    np.testing.assert_array_equal(kernel[2, 0, 0], state["conv_stem.weight"][:, 0, 2, 0])


def test_reads_npz(state, tmp_path):
    np.savez(tmp_path / "b0.npz", **state)
    assert same(load_timm(tmp_path / "b0.npz", in_channels=3), from_timm(state, 3))


def test_reads_safetensors(state, tmp_path):
    numpy = pytest.importorskip("safetensors.numpy")
    numpy.save_file(state, tmp_path / "b0.safetensors")
    assert same(load_timm(tmp_path / "b0.safetensors", in_channels=1), from_timm(state, 1))


@pytest.mark.parametrize("nested", [False, True])
def test_reads_torch(state, tmp_path, nested):
    torch = pytest.importorskip("torch")
    tensors = {key: torch.from_numpy(np.asarray(value)) for key, value in state.items()}
    torch.save({"state_dict": tensors, "epoch": 3} if nested else tensors, tmp_path / "b0.pth")
    assert same(load_timm(tmp_path / "b0.pth", in_channels=1), from_timm(state, 1))


def edited(state, **changes):
    result = state | {key.replace("__", "."): value for key, value in changes.items()}
    return {key: value for key, value in result.items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bn2__running_var": None}, r"no entry bn2\.running_var; expected one of shape \(1280,\)"),
        ({"blocks__7__weight": np.ones(3)}, r"blocks\.7\.weight, of shape \(3,\), isn't in"),
        (
            {"conv_head__weight": np.ones((1280, 320))},
            r"conv_head\.weight has shape \(1280, 320\); expected \(1280, 320, 1, 1\)",
        ),
        (
            {"conv_stem__weight": np.ones((32, 2, 3, 3))},
            r"conv_stem\.weight has shape \(32, 2, 3, 3\); expected \(32, 1, 3, 3\)",
        ),
    ],
)
def test_names_the_entry_that_does_not_fit(state, changes, message):
    with pytest.raises(InputError, match=message):
        from_timm(edited(state, **changes), 1)


def test_names_the_file(state, tmp_path):
    path = tmp_path / "b0.npz"
    np.savez(path, **edited(state, bn1__bias=None))
    with pytest.raises(InputError, match=r"b0\.npz: no entry bn1\.bias"):
        load_timm(path, in_channels=1)
    path.write_bytes(b"not a zip")
    with pytest.raises(InputError, match=r"b0\.npz: can't be read as \.npz"):
        load_timm(path, in_channels=1)
    with pytest.raises(InputError, match=r"none\.npz: no such file"):
        load_timm(tmp_path / "none.npz", in_channels=1)
    with pytest.raises(InputError, match=r"b0\.h5: expected a file of weights ending in \.npz"):
        load_timm(tmp_path / "b0.h5", in_channels=1)


@pytest.mark.parametrize(("package", "suffix"), [("torch", ".pt"), ("safetensors", ".safetensors")])
def test_says_which_package_is_missing(monkeypatch, tmp_path, package, suffix):
    path = tmp_path / f"b0{suffix}"
    path.touch()
    for name in (package, f"{package}.numpy"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InputError, match=f"reading it needs the package {package}"):
        load_timm(path, in_channels=1)


def test_runs_nothing_from_a_file(state, tmp_path):
    np.savez(tmp_path / "b0.npz", **edited(state, bn1__bias=np.array([print], object)))
    with pytest.raises(InputError, match="can't be read"):
        load_timm(tmp_path / "b0.npz", in_channels=1)
