from __future__ import annotations

import csv
import gzip
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from monitor.errors import Permanent
from monitor.importing import Row, RowError, estimated_rows, read_rows


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_csv_cells_keep_quotes_commas_newlines_and_unicode(tmp_path: Path) -> None:
    content = 'query,answer\r\n"say ""hi"", please","one\ntwo"\r\nnaïve 日本 🙂,ok\r\n'.encode()
    rows = list(read_rows(written(tmp_path / "a.csv", content)))
    assert rows == [
        Row(1, {"query": 'say "hi", please', "answer": "one\ntwo"}),
        Row(2, {"query": "naïve 日本 🙂", "answer": "ok"}),
    ]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path, name: str) -> None:
    assert list(read_rows(written(tmp_path / name, b"\xef\xbb\xbfquery\nhi\n"))) == [Row(1, {"query": "hi"})]


def test_a_byte_order_mark_before_json_lines_is_passed_over(tmp_path: Path) -> None:
    assert list(read_rows(written(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"q": 1}\n'))) == [Row(1, {"q": 1})]


def test_semicolons_and_tabs_separate_cells_too(tmp_path: Path) -> None:
    semicolons = read_rows(written(tmp_path / "a.csv", b"query;answer\na,b;c\n"))
    tabs = read_rows(written(tmp_path / "a.tsv", b"query\tanswer\na,b\tc\n"))
    assert [list(semicolons), list(tabs)] == [[Row(1, {"query": "a,b", "answer": "c"})]] * 2


def test_a_cell_of_300_000_characters_is_read_whole(tmp_path: Path) -> None:
    (row,) = read_rows(written(tmp_path / "a.csv", b'query\n"' + b"x\n" * 150_000 + b'"\n'))
    assert isinstance(row, Row)
    assert row.values["query"] == "x\n" * 150_000


def test_a_csv_row_with_other_columns_is_an_error_and_the_next_is_read(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path / "a.csv", b'a,b\n1\n"x"y,2\n\n3,4\n')))
    assert rows == [
        RowError(1, "expected 2 columns, got 1", {"cells": ["1"]}),
        RowError(2, "line 3: not CSV: ',' expected after '\"'"),
        Row(3, {"a": "3", "b": "4"}),
    ]


def test_a_quote_that_never_closes_is_an_error(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path / "a.csv", b'a,b\n1,2\n3,"four\n5,6\n')))
    assert rows == [Row(1, {"a": "1", "b": "2"}), RowError(2, "line 4: not CSV: unexpected end of data")]


def test_bytes_that_are_not_utf8_make_an_error_row(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path / "a.csv", b"a,b\ncaf\xe9,2\n3,4\n")))
    assert rows == [RowError(1, "not UTF-8", {"a": "caf\ufffd", "b": "2"}), Row(2, {"a": "3", "b": "4"})]


def test_json_lines_that_are_no_object_are_errors_and_blank_ones_are_passed_over(tmp_path: Path) -> None:
    content = b'{"q": "a\\nb", "n": {"m": [1]}}\n\n{"q": \n7\n{"q": NaN}\n{"q": "last"}'
    rows = list(read_rows(written(tmp_path / "a.jsonl.gz", content)))
    assert [row.number for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0] == Row(1, {"q": "a\nb", "n": {"m": [1]}})
    assert rows[1] == RowError(2, "not JSON: Input data was truncated", {"line": '{"q":'})
    assert rows[2] == RowError(3, "expected a JSON object, got int", {"line": 7})
    assert rows[4] == Row(5, {"q": "last"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'[{"q": 1}]', "one JSON object per line is read, and this is an array"),
        ("a.csv", b"a,b,a\n1,2,3\n", "two columns are named 'a'"),
        ("a.csv", b"", "the file is empty"),
        ("a.xlsx", b"PK", "can't tell the format from 'xlsx'"),
        ("a.parquet", b"PAR?", "not Parquet"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00", "decompress|Compressed file ended"),
    ],
)
def test_a_file_that_can_not_be_read_is_said_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Permanent, match=message):
        list(read_rows(path))


def test_a_missing_file_is_permanent(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="No such file"):
        list(read_rows(tmp_path / "gone.csv"))


def test_parquet_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [{"q": f"q{i}", "n": None if i % 3 else i, "docs": [{"text": "é"}]} for i in range(1203)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    read = list(read_rows(tmp_path / "a.parquet"))
    assert read == [Row(i, values) for i, values in enumerate(rows, 1)]
    assert estimated_rows(tmp_path / "a.parquet") == 1203


def test_without_pyarrow_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(Permanent, match=r"pip install 'driftwarden\[parquet\]'"):
        list(read_rows(tmp_path / "a.parquet"))


def test_row_counts_are_exact_when_few_and_close_when_many(tmp_path: Path) -> None:
    few = written(tmp_path / "few.csv", b"q\n" + b"a\n" * 999)
    many = tmp_path / "many.csv"
    with many.open("w", newline="") as file:
        csv.writer(file).writerows([["q"], *([f"question number {i:06}"] for i in range(40_000))])
    assert estimated_rows(few) == 999
    assert 36_000 < estimated_rows(many) < 44_000
