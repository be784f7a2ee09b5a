"""What a process that a test starts finds in its environment."""

import os
from pathlib import Path

TESTS = Path(__file__).parent


def environment(*, devices: int = 1) -> dict[str, str]:
    """This process's variables, with so many CPU devices and a path to the project and tests."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return os.environ | {
        "XLA_FLAGS": flags.strip(),
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)]),
    }
