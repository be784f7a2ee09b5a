"""A history's items as CSV or Parquet, and a full recomputation to check it by."""

import csv
import io
import sqlite3
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from jax_dns.errors import InputError
from jax_dns.files import write_bytes, write_text
from jax_dns.smoothing.api import smooth

COLUMNS = {
    "machine": "section.machine",
    "section": "section.section",
    "clip": "clip.name",
    "digest": "clip.digest",
    "time": "clip.time",
    "segment": "item.segment",
    "score": "item.score",
    "smoothed": "item.smoothed",
    "p_score": "clip.p_score",
    "p_distance": "clip.p_distance",
    "p": "clip.p",
    "gamma": "clip.gamma",
    "level": "clip.level",
    "evidence": "clip.evidence",
    "label": "clip.label",
    "acknowledged": "clip.acknowledged",
    "live": "list.id IS NOT NULL",
}


def export_items(connection: sqlite3.Connection, path: Path) -> int:
    """Writes every item, expired ones too, without features.

    Args:
      connection: to a history's database.
      path: ends in .csv or .parquet; the latter needs pyarrow.

    Returns:
      The number of items.

    Raises:
      InputError: another suffix, no pyarrow, or a file that can't be written.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise InputError(f"{path}: expected a name that ends in .csv or .parquet")
    fields = ", ".join(f"{column} AS {name}" for name, column in COLUMNS.items())
    rows = connection.execute(
        f"SELECT {fields} FROM item JOIN clip ON clip.id = item.clip "
        "JOIN section ON section.id = clip.section LEFT JOIN list ON list.id = item.id "
        "ORDER BY item.id"
    ).fetchall()
    if path.suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([COLUMNS, *rows])
        write_text(path, text.getvalue())
        return len(rows)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise InputError(f"{path}: needs pyarrow (the extra parquet)") from error
    columns = list(zip(*rows)) or [()] * len(COLUMNS)
    buffer = io.BytesIO()
    pq.write_table(pa.table(dict(zip(COLUMNS, map(list, columns)))), buffer)
    write_bytes(path, buffer.getvalue())
    return len(rows)


def largest_difference(
    score: Float[np.ndarray, " n"],
    smoothed: Float[np.ndarray, " n"],
    features: Float[np.ndarray, "n d"],
    evidence: Bool[np.ndarray, " n"],
    k: int,
) -> float:
    """Smooths a section's live items anew, and compares.

    Args:
      score: [n] a_G.
      smoothed: [n] scores kept current.
      features: [n, d] f_D.
      evidence: [n] which items may be neighbours.
      k: K.

    Returns:
      The largest difference from the scores kept current, over the standard deviation of a_G; 0
      where there are too few candidates for K.
    """
    if not len(score) or evidence.sum() - evidence.any() < k - 1:
        return 0.0
    again = smooth(score, features, k, pool=evidence)
    return float(np.abs(again - smoothed).max() / (score.std() or 1.0))
