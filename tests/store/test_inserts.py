"""Inserts under a kept name: each one adds its own rows, whatever columns the one before had."""

import duckdb
import pyarrow as pa
import pytest

from batcher.store.inserts import Inserts


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    """A connection with two tables."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (a BIGINT, b VARCHAR); CREATE TABLE u (a BIGINT)")
    return connection


def test_each_insert_adds_its_own_rows(connection: duckdb.DuckDBPyConnection) -> None:
    """The columns go by name, a missing one is null, and tables are kept apart."""
    inserts = Inserts(connection)
    for rows in (
        {"a": [1], "b": ["x"]},
        {"a": [2], "b": ["y"]},
        {"b": ["z"]},
        {"b": ["w"], "a": [3]},
    ):
        inserts.insert("t", pa.table(rows))
        inserts.insert("u", pa.table({"a": [9]}))
    assert connection.execute("SELECT a, b FROM t ORDER BY b").fetchall() == [
        (3, "w"),
        (1, "x"),
        (2, "y"),
        (None, "z"),
    ]
    assert connection.execute("SELECT count(*) FROM u").fetchall() == [(4,)]


def test_a_failed_insert_leaves_nothing_for_the_next(connection: duckdb.DuckDBPyConnection) -> None:
    """A transaction that was rolled back adds no row, and the name still works."""
    inserts = Inserts(connection)
    connection.execute("BEGIN")
    inserts.insert("t", pa.table({"a": [1], "b": ["x"]}))
    connection.execute("ROLLBACK")
    with pytest.raises(duckdb.Error):
        inserts.insert("t", pa.table({"a": ["no number"], "b": ["x"]}))
    inserts.insert("t", pa.table({"a": [2], "b": ["y"]}))
    assert connection.execute("SELECT a FROM t").fetchall() == [(2,)]
