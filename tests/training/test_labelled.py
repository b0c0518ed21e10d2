import gzip
import json
from pathlib import Path

from benchmarks.scores.labelled import Label, read_ragtruth, read_summedits, read_wice


def write(path: Path, *lines: object) -> Path:
    path.write_bytes(gzip.compress("\n".join(json.dumps(line) for line in lines).encode()))
    return path


def test_ragtruth_rows_carry_passages_and_kinds(tmp_path: Path) -> None:
    info = {"question": "q?", "passages": "passage 1:One.\n\npassage 2:Two.\n"}
    sources = write(tmp_path / "s.gz", {"source_id": "7", "source_info": info})
    labels = [
        {"start": 0, "end": 2, "label_type": "Evident Conflict"},
        {"start": 3, "end": 4, "label_type": "Subtle Baseless Info"},
    ]
    responses = write(tmp_path / "r.gz", {"source_id": "7", "model": "m", "response": "No x", "labels": labels})
    (row,) = read_ragtruth(responses, sources)
    assert (row.passages, row.bad, row.source) == (("One.", "Two."), True, "rt7")
    assert row.labels == (Label(0, 2, "conflict"), Label(3, 4, "baseless"))


def test_an_edit_of_summedits_is_labelled_where_it_differs(tmp_path: Path) -> None:
    path = tmp_path / "summedits_news.json.gz"
    rows = [
        {"doc": "d", "original_summary": "It cost 100 dollars.", "summary": "It cost 50 dollars.", "label": 0},
        {"doc": "d", "original_summary": "It was not so.", "summary": "It was so.", "label": 0},
        {"doc": "d", "original_summary": "It cost 100.", "summary": "It came to 100.", "label": 1},
    ]
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    swapped, removed, consistent = read_summedits([path])
    assert [swapped.answer[label.start : label.end] for label in swapped.labels] == ["50"]
    assert [removed.answer[label.start : label.end] for label in removed.labels] == ["so"]
    assert (consistent.labels, consistent.bad, consistent.group) == ((), False, "news")


def test_wice_tokens_become_stretches_of_the_claim(tmp_path: Path) -> None:
    line = {"claim": "A man, aged 7.", "evidence": ["e"], "label": "partially_supported"}
    marked = line | {"claim_tokens": ["A", "man", ",", "aged", "7", "."], "non_supported_spans": [0, 0, 0, 1, 1, 0]}
    first, second = read_wice([write(tmp_path / "w.gz", marked, line)])
    assert [first.answer[label.start : label.end] for label in first.labels] == ["aged", "7"]
    assert (second.located, second.bad) == (False, True)


def test_a_source_is_in_one_fold(tmp_path: Path) -> None:
    line = {"claim": "A", "evidence": ["e"], "label": "supported"}
    rows = read_wice([write(tmp_path / "w.gz", line, line | {"claim": "B"})])
    assert len({row.fold(5) for row in rows}) == 1
