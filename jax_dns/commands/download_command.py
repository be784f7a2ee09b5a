"""`jax-dns download`: DCASE 2021 Task 2 from Zenodo, unpacked as `jax-dns run` reads it."""

from jax_dns.commands.parser import Parser
from jax_dns.datasets.dcase2021 import PARTS
from jax_dns.datasets.download import ZENODO, download
from jax_dns.errors import UsageError

DESCRIPTION = """Fetch DCASE 2021 Task 2 from Zenodo (about 18 GB), verify and unpack it:

  DIR/{dev_data,eval_data}/<machine>/{train,source_test,target_test}/*.wav
  DIR/ground_truth/ground_truth_*.csv

The room needed on the disk is said before anything is fetched. The same command again goes on
where it stopped, fetches anew what is missing or was damaged, and does nothing where all is there.
Zips that you have already can be put into DIR/zips. A proxy is taken from HTTPS_PROXY.
"""


def main(arguments: list[str]) -> None:
    """Downloads, and prints what is there."""
    parser = Parser("download", DESCRIPTION)
    parser.add_argument("--root", required=True, metavar="DIR", help="folder for the data set")
    parser.add_argument(
        "--machines", type=_names, default=(), metavar="A,B", help="machine types (default: all)"
    )
    parser.add_argument(
        "--parts",
        type=_names,
        default=tuple(PARTS),
        metavar="A,B",
        help=f"some of {','.join(PARTS)} (default: all)",
    )
    parser.add_argument("--jobs", type=int, default=4, metavar="N", help="files at once (4)")
    parser.add_argument("--keep-zips", action="store_true", help="leave the zips in DIR/zips")
    parser.add_argument("--base-url", default=ZENODO, metavar="URL", help=f"default: {ZENODO}")
    options = parser.parse_args(arguments)
    if options.jobs < 1:
        raise UsageError(f"--jobs: {options.jobs}, expected 1 or more")
    if not options.base_url.startswith(("http://", "https://")):
        raise UsageError(f"--base-url: {options.base_url!r}, expected http://… or https://…")
    root = options.root
    counts = download(
        root,
        machines=options.machines,
        parts=options.parts,
        base_url=options.base_url.rstrip("/"),
        jobs=options.jobs,
        keep_zips=options.keep_zips,
    )
    print(f"{'part':<14}{'fetched':>9}{'unpacked':>10}{'files':>9}{'GB':>9}")
    for part, found in counts.items():
        numbers = f"{found.fetched:>9}{found.archives:>10}{found.files:>9}{found.size / 1e9:>9.3f}"
        print(f"{part:<14}{numbers}")
    print(f"jax-dns run --config=configs/dcase2021.py --workdir=… --config.data.root={root}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
