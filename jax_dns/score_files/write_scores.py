"""Smoothed scores as files: a table, or a folder of official files."""

from collections.abc import Mapping
from pathlib import Path

from jax_dns.errors import InputError
from jax_dns.evaluation.tables import to_csv
from jax_dns.files import write_text
from jax_dns.score_files.official import anomaly_score_files
from jax_dns.score_files.read_scores import official_naming
from jax_dns.score_files.smooth_scores import SmoothedScores


def write_table(path: Path, result: SmoothedScores) -> None:
    """Writes one machine type's scores as a CSV of name,score; several Ks have a column each."""
    head = ["score"] if len(result.after) == 1 else [f"K={k}" for k in result.after]
    columns = ([repr(float(score)) for score in scores] for scores in result.after.values())
    write_text(path, to_csv([("name", *head), *zip(result.clips.name, *columns)]))


def write_folder(folder: Path, results: Mapping[str, SmoothedScores], *, source: Path) -> int:
    """Writes official files of every machine type; several Ks have a folder each, K=<K>.

    Args:
      folder: to write to; it may hold files of these names, but no other scores.
      results: machine type -> scores.
      source: the scores before smoothing, whose naming is kept and which are never overwritten.

    Returns:
      How many files were written.

    Raises:
      InputError: the folder holds other scores or the source.
    """
    year = official_naming(source)
    several = any(len(result.after) > 1 for result in results.values())
    files = {
        str(Path(f"K={k}" if several else "", name)): text
        for machine, result in results.items()
        for k, scores in result.after.items()
        for name, text in anomaly_score_files(machine, result.clips, scores, year=year).items()
    }
    pattern = "*/anomaly_score_*.csv" if several else "anomaly_score_*.csv"
    others = {str(path.relative_to(folder)) for path in folder.glob(pattern)} - set(files)
    if others:
        raise InputError(
            f"{folder}: holds other scores already, {sorted(others)[0]} "
            "(expected a new folder, or one with the same files)"
        )
    if source.resolve() in {(folder / name).resolve() for name in files}:
        raise InputError(f"{source}: would be overwritten (expected another --out)")
    for name, text in files.items():
        write_text(folder / name, text)
    return len(files)
