"""`python -m jax_dns` is `jax-dns`."""

import sys

from jax_dns.cli import main

sys.exit(main())
