"""The command line of `jax-dns smooth`."""

from argparse import Namespace
from pathlib import Path

from jax_dns.commands.parser import Parser, add_score_options, check_score_options
from jax_dns.errors import UsageError

DESCRIPTION = """Smooth anomaly scores over neighbourhoods in a feature space (Eq. 7 of the paper).

Scores are joined with features by the clips' names, full paths by their base names. A name that
occurs several times is a clip of several segments: the i-th row of its scores belongs to the i-th
row of its features, and its smoothed scores are averaged. Machine types are smoothed separately.

  jax-dns smooth --scores scores.csv --features features.npz --k 16 --out smoothed.csv
  jax-dns smooth --scores DIR --features features.npz --k auto --out NEW
  jax-dns smooth --scores DIR --features features.npz --k adaptive --known-normals DIR2 --out NEW
  jax-dns evaluate --scores NEW"""


def read_options(arguments: list[str]) -> Namespace:
    """Reads and checks the options; adds `official` (writes a folder) and `ks` (None: chosen).

    Raises:
      UsageError: options that don't fit each other.
    """
    parser = Parser("smooth", DESCRIPTION)
    add_score_options(parser)
    add = parser.add_argument
    add(
        "--features",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help=".npz of name [n] and feature [n, d]; CSV or Parquet file of names and features; a "
        "folder of <machine>.npz, .csv or .parquet; or, for a single file of scores, an .npy whose "
        "rows are in the scores' order. A file with several machine types has `machine` too",
    )
    add(
        "--feature-key",
        default="",
        metavar="NAME",
        help="array of features, or beginning of their columns' names (default: feature)",
    )
    add(
        "--k",
        required=True,
        metavar="N[,N...]|auto|adaptive",
        help="number of neighbours, the item itself counted; several give a result each; auto: for "
        "each machine type the power of two with the largest harmonic mean of AUC and pAUC, which "
        "needs labels; adaptive: for each group K and weight by known normals, or the scores as "
        "they are",
    )
    add(
        "--known-normals",
        type=Path,
        metavar="FILE|DIR",
        help="with --k adaptive: scores of normal clips that the system was not trained on, in the "
        "form of --scores; some 30 for each group; --features has their features too",
    )
    add(
        "--gate",
        type=float,
        metavar="X",
        help="with --k adaptive: how many standard errors a K must improve the separation from the "
        "known normals (default: 2.5; 3 is stricter)",
    )
    add(
        "--dose",
        type=float,
        metavar="X",
        help="with --k N: weight of the neighbours' mean beside the clip's own score, both as "
        "normal quantiles of ranks; 0.5: half as much gain, and harm",
    )
    add(
        "--out",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help="a .csv of name,score, or a folder for official files, named as the scores' are",
    )
    add(
        "--groups",
        metavar="section|none|FILE",
        help="neighbours are of the same group: the section (default if names carry it), none: one "
        "group, or the group that a CSV of name,group gives",
    )
    add(
        "--pool",
        default="all",
        metavar="all|source|FILE",
        help="which clips may be neighbours: all (default), those of the source domain, or those "
        "with 1 in a CSV of name,0|1",
    )
    add(
        "--unit",
        default="segment",
        choices=("segment", "clip"),
        help="segment: smooth, then average over each clip (default); clip: average, then smooth",
    )
    add(
        "--metric",
        default="euclidean",
        choices=("euclidean", "cosine"),
        help="distance between features (default: euclidean)",
    )
    add(
        "--select-sections",
        type=_numbers,
        metavar="0,1,...",
        help="with --k auto: sections to choose K on (default: all that are labelled)",
    )
    add(
        "--domains",
        default="pooled",
        choices=("pooled", "apart"),
        help="with --k auto: one AUC for each section (default), or for each section and domain",
    )
    options = parser.parse_args(arguments)
    check_score_options(options)
    options.official = options.out.suffix.lower() != ".csv"
    options.ks = None if options.k in ("auto", "adaptive") else _ks(options.k)
    _check_amount(options)
    if options.scores.is_dir() and not options.official:
        raise UsageError(f"--out: {options.out}, expected a folder, as --scores is one")
    if options.out.resolve() == options.scores.resolve():
        raise UsageError(f"--out: {options.out} is what --scores reads, expected another place")
    return options


def _check_amount(options: Namespace) -> None:
    """Checks that options fit --k."""
    adaptive = options.k == "adaptive"
    if options.select_sections is not None and options.k != "auto":
        raise UsageError("--select-sections is for --k auto")
    if adaptive != (options.known_normals is not None):
        raise UsageError("--k adaptive and --known-normals need each other")
    if options.gate is not None and not (adaptive and options.gate >= 1):
        raise UsageError(f"--gate: {options.gate:g}, expected 1 or more, and --k adaptive")
    if adaptive and options.pool != "all":
        raise UsageError(f"--pool: {options.pool}, expected all with --k adaptive")
    if options.dose is not None and not (options.ks and 0 <= options.dose <= 1):
        raise UsageError(f"--dose: {options.dose:g}, expected 0 to 1, and --k N")


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _ks(text: str) -> list[int]:
    """Returns the Ks in the order given, each once."""
    ks = [part.strip() for part in text.split(",")]
    if not all(k.isascii() and k.isdigit() and int(k) for k in ks):
        raise UsageError(f"--k: {text!r}, expected whole numbers of at least 1, auto or adaptive")
    return list(dict.fromkeys(map(int, ks)))
