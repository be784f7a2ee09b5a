"""The switchboard: names, fields, fingerprints."""

import jax
import jax.numpy as jnp
import pytest

from jax_dns import components, config
from jax_dns.component_fields import own_fields
from jax_dns.components import build, code_digest, component_key, resolve
from jax_dns.errors import InputError
from jax_dns.training.steps import create_state
from jax_dns.types import Facts, InlierModel

FACTS = Facts(16_000, 64_000, n_sections=6)


def test_the_papers_networks_have_their_sizes():
    """Traced, not run: windows of 640, 128-dimensional features, EfficientNet-B0's parameters."""
    c = config.get_config()
    ae = build(c, "generative", FACTS)
    state = jax.eval_shape(lambda key: create_state(ae, key), jax.random.key(0))
    assert state.params["Dense_0"]["kernel"].shape == (640, 128)
    extractor = build(c, "discriminative", FACTS)
    state = jax.eval_shape(lambda key: create_state(extractor, key), jax.random.key(0))
    assert sum(x.size for x in jax.tree.leaves(state.params["trunk"])) == 4_006_972
    assert state.params["section_head"]["kernel"].shape == (128, 6)
    audio = jax.ShapeDtypeStruct((2, 64_000), jnp.float32)
    assert jax.eval_shape(extractor.apply, state.variables, audio).shape == (2, 128)


def test_equal_settings_share_a_component():
    c = config.get_config()
    assert build(c, "generative", FACTS) is build(config.get_config(), "generative", FACTS)
    before = build(c, "discriminative", FACTS)
    c.discriminative.n_mels = 64
    assert build(c, "discriminative", FACTS) is not before
    assert build(c, "discriminative", FACTS._replace(n_sections=5)) is not before


def test_configs_defaults_are_the_factories():
    """A component named by hand has the same settings as the paper's config."""
    c = config.get_config()
    for kind in components.COMPONENTS:
        factory = components.factory_of(c, kind)
        fields = components.fields_of(c, kind, factory)
        own = own_fields(factory)
        assert fields == {name: field.default for name, field in own.items()}


def test_a_wrong_name_lists_the_known_ones():
    c = config.get_config()
    c.generative.name = "autoencodr"
    with pytest.raises(InputError, match=r"generative\.name: 'autoencodr', expected one of .*auto"):
        build(c, "generative", FACTS)
    for name in ("nowhere:f", "json:nothing"):
        with pytest.raises(InputError, match=f"{name}' can't be imported"):
            resolve(name, {}, "generative.name")
    assert resolve("json:dumps", {}, "x").__name__ == "dumps"


def test_a_field_that_the_component_does_not_take():
    c = config.get_config()
    c.inlier = config.inlier("gmm", neighbours=3)
    with pytest.raises(InputError, match=r"inlier\.neighbours: gmm takes no such field, expected"):
        build(c, "inlier", FACTS)
    c.inlier = config.inlier("gmm", regularisation=0.1)
    with pytest.raises(InputError, match=r"config\.inlier\.regularisation is now .*reg_covar"):
        build(c, "inlier", FACTS)


def other_inlier(facts, *, reg_covar=1.0):
    return InlierModel("X", (0,), lambda *_: {"r": reg_covar}, lambda variables, x: x[:, 0])


def test_another_component_ignores_the_defaults_own_fields():
    c = components.use_factories(config.get_config(), {"inlier": other_inlier})
    model = build(c, "inlier", FACTS)
    assert model.fit() == {"r": 1.0}  # its own default, not that of a field of the same name
    c.inlier.reg_covar = 0.5
    assert build(c, "inlier", FACTS).fit() == {"r": 0.5}
    c.inlier.n_components = (3,)  # changed, so it isn't left out in silence
    with pytest.raises(InputError, match=r"inlier\.n_components"):
        build(c, "inlier", FACTS)
    with pytest.raises(InputError, match="components: 'scorer', expected some of generative"):
        components.use_factories(config.get_config(), {"scorer": other_inlier})


def test_the_flow_has_its_own_learning_rate():
    """By name on the paper's config, whose autoencoder takes ten times as much."""
    c = config.get_config()
    c.generative.name = "flow"
    assert components.fields_of(c, "generative", components.GENERATIVE["flow"]) == {}
    c.generative = config.generative("flow", learning_rate=1e-3)
    fields = components.fields_of(c, "generative", components.GENERATIVE["flow"])
    assert fields == {"learning_rate": 1e-3}


def test_what_a_factory_must_return():
    def wrong(facts):
        return "a score"

    c = components.use_factories(config.get_config(), {"inlier": wrong})
    with pytest.raises(InputError, match="wrong: returned str, expected InlierModel"):
        build(c, "inlier", FACTS)


def test_the_key_follows_fields_and_code(tmp_path, monkeypatch):
    c = config.get_config()
    before = component_key(c, "generative")
    c.generative.epochs = 3  # the training's, not the component's
    assert component_key(c, "generative") == before
    c.generative.frames = 3
    assert component_key(c, "generative") != before
    monkeypatch.syspath_prepend(tmp_path)
    source = '"""D."""\n\ndef f(facts):\n    # a comment\n    return 1\n'
    digests = []
    for number, text in enumerate((source, source.replace("# a", "# another"), source + "X = 2\n")):
        (tmp_path / f"stranger{number}.py").write_text(text)
        digests.append(code_digest(resolve(f"stranger{number}:f", {}, "x")))
    assert digests[0] == digests[1] != digests[2]


def test_first_weights_count_by_their_content(tmp_path):
    c = config.get_config()
    c.discriminative.initial_weights = str(tmp_path / "w.npz")
    with pytest.raises(InputError, match="initial_weights: no such file"):
        component_key(c, "discriminative")
    (tmp_path / "w.npz").write_bytes(b"1")
    before = component_key(c, "discriminative")
    (tmp_path / "w.npz").write_bytes(b"2")
    assert component_key(c, "discriminative") != before


def test_every_component_can_be_named_on_the_papers_config():
    """`--config.generative.name=idnn`: the default's own fields, unchanged, are left out."""
    for kind, factories in components.COMPONENTS.items():
        for name in [name for name in factories if ":" not in name]:
            c = config.get_config()
            c[kind].name = name
            if name == "precomputed":  # needs a path
                with pytest.raises(InputError, match=r"discriminative\.path: empty"):
                    build(c, kind, FACTS)
                continue
            assert build(c, kind, FACTS) is not None
            c[kind] = config.MAKERS[kind](name)
            assert component_key(c, kind)
