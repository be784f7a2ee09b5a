"""Lists survive the database; facts are compared."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.monitor.database import connect, make_folder, make_tables, read_lists, write_lists
from jax_dns.monitor.neighbor_lists import NeighborLists


def test_lists_are_read_as_written(tmp_path):
    connection = connect(tmp_path / "a")
    make_tables(connection, tmp_path / "a", {"k": 3})
    lists = NeighborLists(
        np.asarray([[5, 2, -1], [9, 8, 7]]),
        np.asarray([[0.0, 1e-300, np.inf], [1.0, 1.5, 1e70]]),
        np.asarray([np.inf, 1e70]),
        np.asarray([-1, 7]),
    )
    write_lists(connection, 2, np.asarray([4, 6]), lists)
    for read, written in zip(read_lists(connection, 2, np.asarray([4, 6]), 3), lists):
        np.testing.assert_array_equal(read, written)
    connection.close()


def test_facts_are_compared_and_nothing_changes(tmp_path):
    connection = connect(tmp_path / "a")
    make_tables(connection, tmp_path / "a", {"k": 3, "model": "m"})
    make_tables(connection, tmp_path / "a", {"k": 3, "model": ""})
    with pytest.raises(InputError, match="has k 3, expected 4"):
        make_tables(connection, tmp_path / "a", {"k": 4})
    assert not connection.in_transaction
    connection.close()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="can't be made"):
        make_folder(tmp_path / "file/history")
