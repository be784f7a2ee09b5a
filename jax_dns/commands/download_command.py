"""`jax-dns download`: fetches a DCASE Task 2 data set from Zenodo, unpacked for `jax-dns run`."""

from jax_dns.commands.parser import Parser
from jax_dns.datasets.dcase_records import DATASETS, EVALUATORS
from jax_dns.datasets.download import ZENODO, download
from jax_dns.errors import UsageError

DESCRIPTION = """Fetch a DCASE Task 2 data set from Zenodo (2021: 18 GB), verify and unpack it:

  DIR/{dev_data,eval_data}/<machine>/{train,test,...}/*.wav
  DIR/ground_truth/*.csv

The room needed on the disk is printed before anything is fetched. The same command again continues
where it stopped, fetches only what is missing or was damaged, and does nothing if all is there.
Zips that you have already can be put into DIR/zips. A proxy is taken from HTTPS_PROXY.
"""
PARTS = "dev, eval_train, eval_test, ground_truth"


def main(arguments: list[str]) -> None:
    """Downloads a data set and prints what is there."""
    parser = Parser("download", DESCRIPTION)
    parser.add_argument("--root", required=True, metavar="DIR", help="folder for the data set")
    parser.add_argument(
        "--dataset",
        default="dcase2021",
        metavar="NAME",
        help=f"one of {', '.join(DATASETS)} (default: dcase2021)",
    )
    parser.add_argument(
        "--machines", type=_names, default=(), metavar="A,B", help="machine types (default: all)"
    )
    parser.add_argument(
        "--parts", type=_names, default=(), metavar="A,B", help=f"some of {PARTS} (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="files at once (4)")
    parser.add_argument("--keep-zips", action="store_true", help="leave the zips in DIR/zips")
    parser.add_argument("--base-url", default=ZENODO, metavar="URL", help=f"default: {ZENODO}")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        raise UsageError(f"--jobs: {options.jobs}, expected 1 or more")
    if not options.base_url.startswith(("http://", "https://")):
        raise UsageError(f"--base-url: {options.base_url!r}, expected http://HOST or https://HOST")
    summaries = download(
        options.root,
        dataset=options.dataset,
        machines=options.machines,
        parts=options.parts,
        base_url=options.base_url.rstrip("/"),
        jobs=options.jobs,
        keep_zips=options.keep_zips,
    )
    print(f"{'part':<14}{'fetched':>9}{'unpacked':>10}{'files':>9}{'GB':>9}")
    for part, s in summaries.items():
        print(f"{part:<14}{s.fetched:>9}{s.archives:>10}{s.files:>9}{s.size / 1e9:>9.3f}")
    if evaluator := EVALUATORS.get(options.dataset):
        print(
            f"labels of the evaluation clips: copy the folders ground_truth_* of {evaluator} "
            f"(on GitHub) into {options.root}"
        )
    config = "configs/dcase2021.py" if options.dataset == "dcase2021" else "CONFIG"
    print(f"jax-dns run --config={config} --workdir=DIR --config.data.root={options.root}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
