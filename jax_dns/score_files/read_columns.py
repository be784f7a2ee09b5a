"""Tables of anyone's system, CSV or Parquet, as named columns."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jax_dns.errors import InputError, NoNameKeyError
from jax_dns.files import read_csv

NAMES = ("name", "clip", "file", "filename", "file_name", "path", "file_path", "filepath")
OTHERS = ("machine", "segment", "section", "domain", "split", "label")  # not scores, not features
PARQUET = (".parquet", ".pq")


class Columns(NamedTuple):
    """A table's columns, and where its rows stand in the file."""

    path: Path
    columns: dict[str, np.ndarray]  # name -> [n] text (CSV), or values (Parquet)
    where: list[str]  # [n] "line 3", "row 2"
    has_head: bool  # without one, the columns are "0", "1", ...

    def name_column(self, key: str = "") -> str:
        """Returns which column holds the clips' names.

        Args:
          key: its name; "": the first of `NAMES` that there is.

        Raises:
          InputError: there is no such column.
        """
        if not self.has_head and not key:
            return "0"
        lower = {column.lower(): column for column in self.columns}
        for name in (key,) if key else NAMES:
            column = name if name in self.columns else lower.get(name.lower())
            if column is not None:
                return column
        raise (NoNameKeyError if key else InputError)(
            f"{self.path}: no column {key or ' or '.join(NAMES[:3])} "
            f"(the columns are {', '.join(self.columns) or 'none'}; --name-key names one)"
        )

    def text(self, column: str) -> np.ndarray:
        """Returns a column as text, numbers written out.

        Raises:
          InputError: an empty field.
        """
        values = np.asarray([str(value) for value in self.columns[column].tolist()], str)
        empty = values == ""
        if empty.any():
            row = int(empty.argmax())
            what = column if self.has_head else f"field {int(column) + 1}"
            raise InputError(f"{self.path}, {self.where[row]}: {what} is empty")
        return values


def read_columns(path: Path, *, name_key: str = "") -> Columns:
    """Reads a table.

    A CSV file has a head if a field of its first line is `name_key` or one of `NAMES`; no other
    first line is taken for one, so that a faulty first row is an error as it is in any line.

    Args:
      path: a .parquet file (which takes pyarrow), or a CSV file.
      name_key: name of the column that holds the clips' names.

    Raises:
      InputError: unreadable, empty, or a line with more or fewer fields than the first.
    """
    if path.suffix.lower() in PARQUET:
        return _read_parquet(path)
    rows = read_csv(path)
    first = rows[0][1]
    heads = {name_key.lower()} if name_key else set(NAMES)
    has_head = any(field.lower() in heads for field in first)
    names = first if has_head else [str(i) for i in range(len(first))]
    if len(set(names)) < len(names):
        raise InputError(f"{path}, line {rows[0][0]}: two columns have the same name")
    body = rows[1:] if has_head else rows
    for line, row in body:
        if len(row) != len(names):
            expected = ",".join(names) if has_head else f"{len(names)} fields, as in the first line"
            raise InputError(f"{path}, line {line}: {','.join(row)!r} (expected {expected})")
    fields = list(zip(*(row for _, row in body))) or [()] * len(names)
    columns = {name: np.asarray(column, str) for name, column in zip(names, fields)}
    return Columns(path, columns, [f"line {line}" for line, _ in body], has_head)


def numbers(table: Columns, column: str, *, named: str = "") -> np.ndarray:
    """Returns a column as finite numbers, float64.

    Args:
      table: of the column.
      column: its name.
      named: column with the clips' names, for the error.

    Raises:
      InputError: a value that isn't a finite number; names the first.
    """
    values = table.columns[column]
    out = np.empty(len(values))
    for row, value in enumerate(values.tolist()):
        clip = f" of {table.columns[named][row]}" if named else ""
        what = "score" if not table.has_head else column
        place = f"{table.path}, {table.where[row]}: the {what}{clip}"
        try:
            out[row] = float(value)
        except (TypeError, ValueError) as error:
            head = "" if row or table.has_head else f"; a head names a column {NAMES[0]}"
            raise InputError(f"{place} is {value!r} (expected a number{head})") from error
        if not np.isfinite(out[row]):
            raise InputError(f"{place} is {value} (expected a finite number)")
    return out


def _read_parquet(path: Path) -> Columns:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise InputError(f"{path}: needs pyarrow (pip install 'jax-dns[parquet]')") from error
    try:
        table = parquet.read_table(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file (expected a Parquet file)") from error
    except (OSError, ArrowException) as error:
        raise InputError(f"{path}: not a readable Parquet file ({error})") from error
    if not table.num_rows:
        raise InputError(f"{path}: is empty")
    columns = {}
    for name, column in zip(table.column_names, table.columns):
        values = column.to_pylist()
        columns[name] = _array(path, name, values)
    return Columns(path, columns, [f"row {i}" for i in range(table.num_rows)], True)


def _array(path: Path, name: str, values: list) -> np.ndarray:
    """Returns a column as an array: [n], or [n, d] if its values are lists."""
    missing = [row for row, value in enumerate(values) if value is None]
    if missing:
        raise InputError(f"{path}, row {missing[0]}: {name} is missing")
    if isinstance(values[0], list):
        sizes = {len(value) for value in values}
        if len(sizes) > 1:
            raise InputError(f"{path}: {name} has lists of {min(sizes)} to {max(sizes)} values")
    return np.asarray(values)
