"""`jax-dns monitor`: the operating phase, in which a trained run scores arriving recordings."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jax_dns.commands.parser import Parser
from jax_dns.errors import InputError
from jax_dns.wording import counted

# Fields of the smoothing rule that the monitor follows with one value only.
SMOOTHING = {
    "name": "uniform",
    "unit": "segment",
    "groups": "section",
    "transform": "none",
    "same_clip": True,
    "outside_pool": "smooth",
}
PER_MACHINE = "--per-machine"
DESCRIPTION = """Score recordings as they arrive in a folder, keep their history, and raise alarms.

  jax-dns monitor --workdir=runs/mine --inbox=/recordings --history=/var/history
  jax-dns monitor --workdir=runs/mine --inbox=/recordings --history=/var/history --serve
  jax-dns monitor --workdir=runs/mine --inbox=/recordings --history=/var/history --per-machine
  jax-dns monitor acknowledge --history=/var/history --clip=123 --as=normal
  jax-dns monitor export --history=/var/history --out=items.parquet
  jax-dns monitor check --history=/var/history
  jax-dns monitor replay --history=/var/history --hits=2 --window=3

Each event is a line of JSON on standard output. experiments/monitoring.md explains them.
"""


def main(arguments: list[str]) -> None:
    """Runs the service, or one of the commands on a history."""
    actions = {
        "acknowledge": _acknowledge,
        "export": _export,
        "check": _check,
        "replay": _replay,
    }
    if arguments and arguments[0] in actions:
        actions[arguments[0]](arguments[1:])
    else:
        _watch(arguments)


def _watch(arguments: list[str]) -> None:
    parser = Parser("monitor", DESCRIPTION)
    parser.add_argument("--workdir", required=True, type=Path, help="a finished run's folder")
    parser.add_argument("--inbox", required=True, type=Path, help="folder of arriving recordings")
    parser.add_argument("--history", required=True, type=Path, help="folder for the history")
    parser.add_argument("--once", action="store_true", help="stop when the inbox is dealt with")
    parser.add_argument("--machines", default="", help="of the run: fan,pump (all)")
    parser.add_argument(
        PER_MACHINE,
        action="store_true",
        help="a process for each machine type, with INBOX/<machine> and HISTORY/<machine>",
    )
    parser.add_argument("--seed", type=int, help="of the training, of a run with several")
    parser.add_argument("--k", type=int, help="K of the smoothed scores (the history's, or 16)")
    files = parser.add_argument_group("files")
    files.add_argument("--rule", help="regular expression with groups machine and section")
    files.add_argument("--settle", type=float, default=1.0, help="s a whole file is unchanged (1)")
    files.add_argument("--patience", type=float, default=30.0, help="s until the quarantine (30)")
    files.add_argument("--take", action="store_true", help="move scored files to the history")
    keeping = parser.add_argument_group("history")
    keeping.add_argument("--keep-items", type=int, help="segments of a section to keep (all)")
    keeping.add_argument("--keep-days", type=float, help="days to keep them (all)")
    keeping.add_argument(
        "--all-evidence", action="store_true", help="clips in alarm may be neighbours too"
    )
    add_decision_options(parser)
    parser.add_argument(
        "--no-smoothed-evidence",
        action="store_true",
        help="alarms never take Eq. 7's score in (while the adaptive rule says that it separates)",
    )
    parser.add_argument(
        "--drift-days", type=float, default=30.0, help="days between false drift warnings (30)"
    )
    page = parser.add_argument_group("page (extra monitor)")
    page.add_argument(
        "--serve", nargs="?", type=int, const=8765, metavar="PORT", help="show a page (port 8765)"
    )
    page.add_argument("--host", default="127.0.0.1", help="address it listens on (127.0.0.1)")
    page.add_argument("--token", default="", help="needed on any but this machine's own addresses")
    options = parser.parse_args(arguments)
    settings = decision_settings(options)
    for name in ("workdir", "inbox"):
        if not getattr(options, name).is_dir():
            raise InputError(f"--{name}: {getattr(options, name)} is not a folder")
    if options.per_machine:
        _run_per_machine(options, arguments)
        return
    from jax_dns.monitor.database import make_folder
    from jax_dns.pipeline.lock import workdir_lock

    with workdir_lock(make_folder(options.history.absolute())) as folder:
        _serve_and_run(options, folder, settings)


def _run_per_machine(options: argparse.Namespace, arguments: list[str]) -> None:
    from jax_dns.data.decode import Format
    from jax_dns.monitor.database import make_folder
    from jax_dns.monitor.shards import run_shards, shard_command
    from jax_dns.pipeline.index import split_commas
    from jax_dns.pipeline.workdir import machines_with_segments, read_config

    workdir, inbox = options.workdir.absolute(), options.inbox.absolute()
    config = read_config(workdir)
    known = machines_with_segments(config, workdir)
    machines = split_commas(options.machines) or known
    for name in machines:
        if name not in known:
            raise InputError(f"machines: {name}, expected some of {', '.join(known)}")
        make_folder(inbox / name)
    places = dict(inbox=inbox, history=options.history.absolute(), without=PER_MACHINE)
    commands = {name: shard_command(arguments, name, **places) for name in machines}
    folders = {name: options.history.absolute() / name for name in machines}
    d = config.data
    formats = dict.fromkeys(machines, Format(d.sample_rate, d.channel, d.resample))
    with _page(options, folders, formats):
        codes = run_shards(commands, print_event)
    failed = [f"{name} (exit code {code})" for name, code in codes.items() if code]
    if failed:
        raise InputError(f"monitors that ended early: {', '.join(failed)}")


def _serve_and_run(options: argparse.Namespace, folder: Path, settings: Any) -> None:
    from jax_dns.commands.run_command import keep_compiled
    from jax_dns.monitor.inbox import RULE, FileSettings
    from jax_dns.monitor.judge import HistorySettings
    from jax_dns.monitor.service import open_monitor, run
    from jax_dns.monitor.unit_features import with_unit_features
    from jax_dns.pipeline.clip_scorer import open_scorers
    from jax_dns.pipeline.index import split_commas
    from jax_dns.pipeline.workdir import read_config

    keep_compiled(True)
    workdir = options.workdir.absolute()
    metric = followed_metric(read_config(workdir), workdir)
    machines = split_commas(options.machines)
    scorers = open_scorers(workdir, seed=options.seed, machines=machines)
    if metric == "cosine":
        scorers = {name: with_unit_features(scorer) for name, scorer in scorers.items()}
    files = FileSettings(
        options.rule or RULE,
        options.settle,
        options.patience,
        take=options.take,
    )
    history_settings = HistorySettings(
        not options.all_evidence,
        options.keep_items,
        options.keep_days,
        drift_days=options.drift_days,
        join=not options.no_smoothed_evidence,
    )
    monitor = open_monitor(
        scorers,
        options.inbox.absolute(),
        folder,
        k=options.k,
        settings=settings,
        files=files,
        history_settings=history_settings,
    )
    with contextlib.closing(monitor.history), contextlib.ExitStack() as stack:
        formats = {name: scorer.audio_format for name, scorer in scorers.items()}
        stack.enter_context(_page(options, folder, formats))
        run(monitor, print_event, once=options.once)


def followed_metric(config: Any, workdir: Path) -> str:
    """Returns a run's metric, "euclidean" or "cosine".

    Raises:
      InputError: the run smooths in a way that the monitor doesn't.
    """
    for field, expected in SMOOTHING.items():
        value = config.smoothing.get(field, expected)
        if value != expected:
            raise InputError(
                f"{workdir}: smoothing.{field} is {value!r}, expected {expected!r}, the only one "
                f"that the monitor follows (run again with --config.smoothing.{field}={expected}; "
                "trained components are kept)"
            )
    return config.smoothing.metric


@contextlib.contextmanager
def _page(
    options: argparse.Namespace, folders: Path | dict[str, Path], formats: dict[str, Any]
) -> Iterator[None]:
    """Serves the page of a history, or of one for each machine type, if it is asked for."""
    if options.serve is None:
        yield
        return
    try:
        from jax_dns.monitor.shards_page import make_shards_app
        from jax_dns.monitor.web_page import make_app, serve
    except ImportError as error:
        raise InputError(f"--serve: needs the extra monitor ({error})") from error
    make = make_app if isinstance(folders, Path) else make_shards_app
    app = make(folders, formats, token=options.token)
    with serve(app, host=options.host, port=options.serve, token=options.token) as address:
        print(f"page: {address}", file=sys.stderr, flush=True)
        yield


def print_event(event: dict[str, Any]) -> None:
    """Prints an event as a line of JSON."""
    print(json.dumps(event), flush=True)


def add_decision_options(parser: Parser) -> None:
    """Adds the options that say when there is an alarm."""
    group = parser.add_argument_group("alarms")
    group.add_argument("--alarm-days", type=float, default=7.0, help="days between false ones (7)")
    group.add_argument("--warning-days", type=float, default=1.0, help="of warnings (1)")
    group.add_argument(
        "--clips-per-day", type=float, default=1440.0, help="of a section (1440, one a minute)"
    )
    group.add_argument("--hits", type=int, default=3, help="hits that raise an alarm (3)")
    group.add_argument("--window", type=int, default=5, help="among so many last clips (5)")
    group.add_argument(
        "--evidence", choices=("both", "score", "distance"), default="both", help="p-value (both)"
    )


def decision_settings(options: argparse.Namespace) -> Any:
    """Returns the settings that the options name, checked."""
    from jax_dns.monitor.decisions import Settings, check_settings

    settings = Settings(*(getattr(options, name) for name in Settings._fields))
    check_settings(settings)
    return settings


def _acknowledge(arguments: list[str]) -> None:
    from jax_dns.monitor.acknowledge import KINDS, send_request

    parser = Parser(
        "monitor acknowledge", "Say that a clip was normal or a fault, or that maintenance is done."
    )
    parser.add_argument("--history", required=True, type=Path, help="folder of the history")
    parser.add_argument("--clip", required=True, type=int, help="its number in the events")
    parser.add_argument(
        "--as", required=True, dest="kind", choices=KINDS, help="normal, fault or maintenance"
    )
    options = parser.parse_args(arguments)
    send_request(options.history.absolute(), options.clip, options.kind)


def _export(arguments: list[str]) -> None:
    parser = Parser("monitor export", "Write every item of a history to a file.")
    parser.add_argument("--history", required=True, type=Path, help="folder of the history")
    parser.add_argument("--out", required=True, type=Path, help="a .csv or .parquet file")
    options = parser.parse_args(arguments)
    with _existing(options.history) as history:
        print(f"{options.out}: {counted(history.export(options.out), 'item')}")


def _check(arguments: list[str]) -> None:
    parser = Parser("monitor check", "Compare a history's smoothed scores with a recomputation.")
    parser.add_argument("--history", required=True, type=Path, help="folder of the history")
    options = parser.parse_args(arguments)
    with _existing(options.history) as history:
        for machine, section in history.sections():
            difference = history.check(machine, section)
            print(f"{machine} section {section:02d}: largest difference {difference:.2g}")


def _replay(arguments: list[str]) -> None:
    parser = Parser("monitor replay", "Run a history through other settings of the alarms.")
    parser.add_argument("--history", required=True, type=Path, help="folder of the history")
    add_decision_options(parser)
    options = parser.parse_args(arguments)
    from jax_dns.monitor.replay import replay_table

    with _existing(options.history) as history:
        print(replay_table(history, decision_settings(options)))


@contextlib.contextmanager
def _existing(folder: Path) -> Iterator[Any]:
    """Opens a history to read it, whether a monitor is running or not."""
    from jax_dns.monitor.database import DATABASE
    from jax_dns.monitor.history import History

    if not (folder / DATABASE).is_file():
        raise InputError(f"--history: {folder / DATABASE} does not exist")
    with contextlib.closing(History.open(folder.absolute())) as history:
        yield history
