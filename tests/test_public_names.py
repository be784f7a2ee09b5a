"""The public names: where they lead, and that JAX isn't imported before one is used."""

import subprocess
import sys

import jax_dns
from jax_dns.smoothing import adaptive, api, dose


def test_names_lead_to_their_functions():
    homes = {"smooth_adaptively": adaptive, "smooth_dose": dose}
    for name in jax_dns.__all__:
        assert getattr(jax_dns, name) is getattr(homes.get(name, api), name)


def test_importing_the_package_leaves_jax_out():
    code = "import sys, jax_dns; sys.exit('jax' in sys.modules or not jax_dns.__all__)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
