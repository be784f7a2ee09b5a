"""`jax-dns run`: train, score, smooth and evaluate, as a config says."""

import os
import re
import shlex
from pathlib import Path

from jax_dns.config import new_name
from jax_dns.environment import has_home
from jax_dns.errors import UsageError

HELP = """Train, score, smooth and evaluate; what is already done in DIR is not done again.

  jax-dns run --config=FILE --workdir=DIR [--stages=a,b,...] [--config.x.y=value ...]

  --config=FILE        a config, such as configs/demo.py, configs/dcase2021.py, configs/uav.py
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
        print(HELP, end="")
        return
    from absl import flags
    from ml_collections import ConfigDict, config_flags

    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "folder for everything that is made", flag_values=values)
    flags.DEFINE_string("stages", None, "stages to run, separated by commas", flag_values=values)
    argv = ["jax-dns", *arguments]
    for argument in arguments:
        name, _, path = argument.partition("=")
        if name.lstrip("-") == "config" and not Path(path.partition(":")[0]).is_file():
            raise UsageError(f"--config: no such file {path!r}, expected one like configs/demo.py")
    try:
        config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
        rest = values(argv)[1:]
    except flags.Error as error:
        raise UsageError(_one_line(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UsageError(f"--config: {_explain(error, arguments)}") from error
    except Exception as error:  # a config is a program, and may fail in any way
        raise UsageError(f"--config: {type(error).__name__}, {_one_line(error)}") from error
    if rest:
        raise UsageError(f"{rest[0]}: not an option (expected --name=value)")
    for name in ("config", "workdir"):
        if not values[name].value:
            raise UsageError(f"--{name} is missing; see jax-dns run --help")
    config = values.config
    if not isinstance(config, ConfigDict):
        raise UsageError(f"--config: get_config() gives {config!r}, expected a ConfigDict")
    _keep_compiled(config.compilation_cache)
    from jax_dns.pipeline import STAGES, run
    from jax_dns.pipeline.workdir import make_workdir

    stages = STAGES if values.stages is None else values.stages.split(",")
    run(config, values.workdir, stages, command=shlex.join(["jax-dns", "run", *arguments]))
    if "evaluate" in stages:
        from jax_dns.report.build import add_report

        print(add_report(make_workdir(values.workdir)))


def _keep_compiled(keep: bool) -> None:
    """Lets JAX keep compiled programs in the user's cache folder, where there is one."""
    if keep and has_home() and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "jax_dns" / "compiled"))


def _explain(error: BaseException, arguments: list[str]) -> str:
    """Explains a field that the config doesn't have, with its new name where it had another."""
    names = [a.partition("=")[0].removeprefix("--config.") for a in arguments]
    names += re.findall(r'Key "(\w+)" does not exist', str(error))  # set in the config file
    for name in names:
        if hint := new_name(name):
            return hint
    text = re.sub(r" and cannot be added since.*", "", str(error), flags=re.DOTALL)
    return f"{_one_line(ValueError(text))} (jax_dns/config.py lists the fields)"


def _one_line(error: BaseException) -> str:
    text = str(error.args[0] if error.args else type(error).__name__)
    text = " ".join(text.replace("\\n", " ").replace("\\'", "'").split())
    return text.strip("'\"") if text.count("'") % 2 else text
