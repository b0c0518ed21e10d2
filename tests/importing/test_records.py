from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from monitor.codec import Limits
from monitor.errors import Permanent
from monitor.importing import Imported, Mapping, Options, Row, RowError, chosen, joined, read_rows, records
from monitor.model.trace import Trace

MAPPING = Mapping.parse(["prompt=q", "response=a", "model='bot'"])
ROWS = [Row(i, {"q": f"q{i}", "a": "same", "lang": "en" if i % 2 else "de"}) for i in range(1, 7)]


def traces(made: list[Imported | RowError]) -> list[Trace]:
    return [msgspec.json.decode(item.value, type=Trace) for item in made if isinstance(item, Imported)]


def test_the_same_import_gives_the_same_bytes(options: Options) -> None:
    first, second = list(records(ROWS, MAPPING, options)), list(records(ROWS, MAPPING, options))
    assert first == second
    assert len({item.id for item in first if isinstance(item, Imported)}) == 6


def test_ids_depend_on_file_row_and_content(options: Options) -> None:
    rows = [Row(1, {"q": "q", "a": "a"}), Row(2, {"q": "q", "a": "a"}), Row(1, {"q": "q", "a": "b"})]
    made = [*records(rows, MAPPING, options), *records(rows[:1], MAPPING, replace(options, file="other.csv"))]
    assert len({item.id for item in made if isinstance(item, Imported)}) == 4


def test_a_repeated_id_is_an_error_that_names_the_first_row(options: Options) -> None:
    rows = [Row(1, {"q": "q", "a": "a", "n": "x"}), Row(2, {"q": "q", "a": "b", "n": "x"})]
    mapping = Mapping.parse(["prompt=q", "response=a", "model='bot'", "id=n"])
    assert list(records(rows, mapping, options))[1] == RowError(2, "id 'x' is that of row 1 too", rows[1].values)


def test_rows_without_a_time_are_spaced_in_the_order_taken(options: Options) -> None:
    spaced = replace(options, interval=timedelta(minutes=2))
    taken = list(chosen(ROWS, where=[("lang", "de")], shuffle=None, limit=2))
    found = [trace.time - options.start for trace in traces(list(records(taken, MAPPING, spaced)))]
    assert found == [timedelta(0), timedelta(minutes=2)]


def test_errors_of_reading_pass_through_in_place(options: Options) -> None:
    broken = RowError(2, "not UTF-8")
    made = list(records([ROWS[0], broken, ROWS[2]], MAPPING, options))
    assert [type(item) for item in made] == [Imported, RowError, Imported]
    assert made[1] is broken


def test_a_record_over_the_size_limit_is_an_error_here_and_not_later(options: Options) -> None:
    small = replace(options, limits=Limits(record_bytes=300))
    (made,) = records([Row(1, {"q": "q" * 300, "a": "a"})], MAPPING, small)
    assert isinstance(made, RowError)
    assert made.message.startswith("record: at most 300 bytes, got ")


def test_a_prompt_of_300_000_characters_is_published_whole(options: Options) -> None:
    (trace,) = traces(list(records([Row(1, {"q": "ü" * 300_000, "a": "a"})], MAPPING, options)))
    assert trace.input_messages[0].parts[0].content == "ü" * 300_000


def test_half_a_surrogate_pair_is_an_error_row(options: Options) -> None:
    (made,) = records([Row(1, {"q": "\ud800", "a": "a"})], MAPPING, replace(options))
    assert made == RowError(1, "the row holds half a surrogate pair, which is no text")


def test_conditions_compare_as_written_and_reach_into_objects() -> None:
    rows = [Row(1, {"n": 1, "ok": True, "m": {"v": "x"}}), Row(2, {"n": 2, "ok": True}), RowError(3, "bad")]
    where = [("n", "1"), ("ok", "true"), ("m.v", "x")]
    assert list(chosen(rows, where=where, shuffle=None, limit=None)) == [rows[0], rows[2]]


def test_a_shuffle_is_a_permutation_given_by_its_seed() -> None:
    once = list(chosen(ROWS, where=[], shuffle=7, limit=None))
    again = list(chosen(ROWS, where=[], shuffle=7, limit=None))
    assert once == again
    assert once != ROWS
    assert sorted(row.number for row in once) == [1, 2, 3, 4, 5, 6]
    assert list(chosen(ROWS, where=[], shuffle=7, limit=2)) == once[:2]


def test_a_joined_file_adds_its_columns_by_key(tmp_path: Path) -> None:
    (tmp_path / "sources.jsonl").write_text('{"id": 1, "doc": "one", "a": "other"}\n{"id": 2, "doc": "two"}\n')
    rows = [Row(1, {"id": "2", "a": "x"}), Row(2, {"id": "1", "a": "y"}), Row(3, {"id": "9", "a": "z"})]
    assert list(joined(rows, tmp_path / "sources.jsonl", "id")) == [
        Row(1, {"id": "2", "doc": "two", "a": "x"}),
        Row(2, {"id": "1", "doc": "one", "a": "y"}),
        RowError(3, "no row of sources.jsonl has id = '9'", {"id": "9", "a": "z"}),
    ]


def test_a_joined_file_with_a_key_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sources.csv").write_text("id,doc\n1,a\n1,b\n")
    with pytest.raises(Permanent, match="rows 1 and 2 both have id = '1'"):
        list(joined([], tmp_path / "sources.csv", "id"))


@pytest.mark.real_data
def test_every_row_of_the_llm_drift_set_is_imported(shared_data: Path, options: Options) -> None:
    rows = list(read_rows(shared_data / "llmdrift" / "OPINIONQA_EVAL.csv.gz"))
    mapping = Mapping().guessed([row for row in rows if isinstance(row, Row)], options.calendar)
    made = list(records(rows, mapping, options))
    assert len(made) == 6024
    assert [item for item in made if isinstance(item, RowError)] == []
    assert len({trace.model.name for trace in traces(made)}) == 4


@pytest.mark.real_data
def test_every_answer_of_ragtruth_meets_its_passages(shared_data: Path, options: Options) -> None:
    folder = shared_data / "ragtruth_qa"
    answers = read_rows(folder / "response_qa_train.jsonl.gz")
    rows = joined(answers, folder / "source_qa_train.jsonl.gz", "source_id")
    mapping = Mapping.parse([
        "prompt=source_info.question", "context=source_info.passages", "response=response", "model=model", "id=id",
    ])  # fmt: skip
    found = traces(list(records(rows, mapping, options)))
    assert len(found) == 3356
    assert all(trace.context[0].text.startswith("passage 1:") for trace in found)
