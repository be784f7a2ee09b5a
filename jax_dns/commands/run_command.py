"""`jax-dns run`: train, score, smooth and evaluate, as a config says."""

import os
import shlex
from pathlib import Path

from jax_dns.commands.config_file import (
    explain,
    find_config,
    join_values,
    one_line,
    shipped_configs,
)
from jax_dns.environment import has_home
from jax_dns.errors import UsageError

HELP = """Train, score, smooth and evaluate; what is already done in DIR is not done again.

  jax-dns run --config=FILE --workdir=DIR [--stages=a,b,...] [--config.x.y=value ...]

  --config=FILE        a config of yours, such as configs/demo.py, or the name of one of the
                       project's: {configs}
  --workdir=DIR        folder for everything that is made
  --stages=a,b,...     only these, of index, train_generative, train_discriminative, embed, fit,
                       smooth, select, evaluate (default: all)
  --config.x.y=value   change a field of the config; every field, with the paper's value and
                       unit, is in jax_dns/config.py. Often used:
    --config.data.root=DIR            recordings in the DCASE 2021 layout
    --config.data.machines=fan,pump   some machine types
    --config.seeds='(0,1,2)'          several seeds
    --config.data.skip_corrupt=True   leave out unusable recordings, and say which

Score a folder of new recordings with what DIR holds: jax-dns score --help
"""


def main(arguments: list[str]) -> None:
    """Runs the pipeline with absl's flags, as ml_collections wants them."""
    if {"-h", "--help"} & set(arguments):
        print(HELP.replace("{configs}", ", ".join(shipped_configs())), end="")
        return
    from absl import flags
    from ml_collections import ConfigDict, config_flags

    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "folder for everything that is made", flag_values=values)
    flags.DEFINE_string("stages", None, "stages to run, separated by commas", flag_values=values)
    arguments = join_values(arguments, ("config", "workdir", "stages"))
    path = None
    for i, argument in enumerate(arguments):
        if argument.partition("=")[0] in ("--config", "-config"):
            name, colon, rest = argument.partition("=")[2].partition(":")
            path = find_config(name)
            arguments[i] = f"--config={path}{colon}{rest}"
    argv = ["jax-dns", *arguments]
    try:
        config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
        rest = values(argv)[1:]
    except Exception as error:  # a config is a program, and may fail in any way
        about_config = "config" in str(error) or not isinstance(error, flags.Error)
        message = explain(error, path, arguments) if path and about_config else one_line(error)
        raise UsageError(message) from error
    if rest:
        raise UsageError(f"{rest[0]}: not an option (expected --name=value)")
    for name in ("config", "workdir"):
        if not values[name].value:
            raise UsageError(f"--{name} is missing; see jax-dns run --help")
    config = values.config
    if not isinstance(config, ConfigDict):
        raise UsageError(f"--config: get_config() gives {config!r}, expected a ConfigDict")
    keep_compiled(config.compilation_cache)
    from jax_dns.pipeline import STAGES, run
    from jax_dns.pipeline.workdir import make_workdir

    stages = STAGES if values.stages is None else values.stages.split(",")
    run(config, values.workdir, stages, command=shlex.join(["jax-dns", "run", *arguments]))
    if "evaluate" in stages:
        from jax_dns.report.build import add_report

        print(add_report(make_workdir(values.workdir)))


def keep_compiled(keep: bool) -> None:
    """Lets JAX keep compiled programs in the user's cache folder, where there is one."""
    if keep and has_home() and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "jax_dns" / "compiled"))
