"""`jax-dns run`: train, score, smooth and evaluate, as a config says."""

import os
import shlex
import sys
from argparse import Namespace
from pathlib import Path

from jax_dns import processes
from jax_dns.commands.config_file import load_config, one_line, shipped_configs
from jax_dns.commands.parser import Parser
from jax_dns.environment import has_home
from jax_dns.errors import UsageError

DESCRIPTION = """Train, score, smooth and evaluate; what is already done in DIR is not done again.

  jax-dns run --config=demo --workdir=demo_workdir
  jax-dns run --config=my_config.py --workdir=runs/mine --config.data.root=DIR
  jax-dns run --config=dcase2021 --workdir=runs/one --config.data.root=DIR --dry-run

--config.x.y=VALUE changes a field of the config; jax_dns/config.py lists every field with the
paper's value and unit. Often used:

  --config.data.root=DIR            recordings; configs/README.md shows the layouts
  --config.data.machines=fan,pump   some machine types
  --config.seeds='(0,1,2)'          several seeds
  --config.data.skip_corrupt=True   leave out unusable recordings, and list them

Score a folder of new recordings with what DIR holds: jax-dns score --help
"""


def main(arguments: list[str]) -> None:
    """Runs the pipeline; fields of the config are ml_collections' flags."""
    options, fields = _parser().parse_known_args(arguments)
    config = load_config(options.config, fields)
    keep_compiled(config.compilation_cache)
    if options.distributed:
        _join(options)
    from jax_dns.pipeline import STAGES, run
    from jax_dns.pipeline.workdir import make_workdir

    if options.dry_run:
        from jax_dns.pipeline.dry_run import dry_run

        dry_run(config, options.workdir)
        return
    stages = STAGES if options.stages is None else options.stages.split(",")
    command = shlex.join(["jax-dns", "run", *arguments])
    run(config, options.workdir, stages, command=command)
    if "evaluate" in stages and processes.is_first():
        from jax_dns.report.build import add_report

        print(add_report(make_workdir(options.workdir)))


def _parser() -> Parser:
    parser = Parser("run", DESCRIPTION)
    add = parser.add_argument
    add(
        "--config",
        required=True,
        metavar="FILE|NAME",
        help=f"a config of yours, or the name of one of the project's: "
        f"{', '.join(shipped_configs())}",
    )
    add("--workdir", required=True, metavar="DIR", help="folder for everything that is made")
    add(
        "--stages",
        metavar="A,B",
        help="only these, of index, train_generative, train_discriminative, embed, fit, smooth, "
        "select, evaluate (default: all)",
    )
    add(
        "--dry-run",
        action="store_true",
        help="check config and recordings, time a step, and print the time, disk and memory that "
        "the run would take; nothing is written",
    )
    group = parser.add_argument_group("several processes, see configs/README.md")
    group.add_argument(
        "--distributed",
        action="store_true",
        help="this is one of several processes that share the training; on SLURM, under Open MPI "
        "and on a TPU pod slice the environment tells the rest",
    )
    group.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0, else")
    group.add_argument("--num-processes", type=int, metavar="N", help="how many there are")
    group.add_argument("--process-id", type=int, metavar="I", help="this one's number, from 0")
    return parser


def _join(options: Namespace) -> None:
    """Joins the run's other processes; all but the first are silent."""
    try:
        processes.join(options.coordinator, options.num_processes, options.process_id)
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"--distributed: {one_line(error)} (expected a cluster's environment, or "
            "--coordinator=HOST:PORT --num-processes=N --process-id=I)"
        ) from error
    if not processes.is_first():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def keep_compiled(keep: bool) -> None:
    """Lets JAX keep compiled programs in the user's cache folder, where there is one."""
    if keep and has_home() and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(cache / "jax_dns" / "compiled"))
