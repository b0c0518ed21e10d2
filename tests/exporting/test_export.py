"""The commands on a real database: what people, scores and guards said comes out as lines of JSON."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.cli import main
from monitor.inference.grounding import shipped_grounding
from monitor.model.feedback import FeedbackRecord, opinion
from monitor.scoring import Scorer
from tests.stores import FIRST, START, InPostgres, decoded, line, unit

Export = Callable[..., list[dict[str, Any]]]
DENIED = {"verdict": "deny", "rule": "secrets", "policy": "support"}
ASKED = [{"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
         {"role": "user", "parts": [{"type": "text", "content": "How long?"}]}]  # fmt: skip
PICTURE = [{"role": "user", "parts": [{"type": "image_url"}, {"type": "text", "content": "What is it?"}]}]


def trace(number: int, response: str, **fields: Any) -> bytes:
    return line(number, START + timedelta(seconds=number), response=response, prompt=None, **fields)


LINES = [
    trace(1, "Five days.", input_messages=ASKED, version="1"),
    trace(2, "Ten days.", input_messages=ASKED, version="2"),
    trace(3, "A year.", input_messages=ASKED, version="2", guard=DENIED),
    # The same words, but with a passage to rest on: another question.
    trace(4, "Six days.", input_messages=ASKED, context=[{"id": "k", "text": "Refunds take six days."}]),
    trace(5, "A cat.", input_messages=PICTURE),
    trace(6, "A dog.", input_messages=PICTURE),
    line(7, START + timedelta(seconds=7), prompt="Once", response=" upon a tme", tenant="other"),
    # Nobody said anything of these; one declines, one hedges.
    trace(8, "I can't help with that.", input_messages=ASKED[1:]),
    trace(9, "It takes five days.", input_messages=ASKED[1:]),
]
SAID = [
    ("t1", "acme", "thumb", "up"), ("t2", "acme", "thumb", "down"), ("t3", "acme", "rating", 1),
    ("t3", "acme", "correction", "Five working days."), ("t4", "acme", "thumb", "down"), ("t5", "acme", "thumb", "up"),
    ("t6", "acme", "thumb", "down"), ("t7", "other", "correction", " upon a time"),
    ("gone", "acme", "correction", "of a trace that is not here"),
]  # fmt: skip


@pytest.fixture
def real(migrated_url: str) -> Iterator[InPostgres]:
    real = InPostgres(migrated_url)
    real.traces().positions({FIRST: 0})
    real.traces().commit(unit(LINES))
    now = datetime(2090, 5, 2, tzinfo=UTC)
    real.feedback().add(
        [
            opinion(FeedbackRecord(name, kind, value, tenant, source="ann", time=now + timedelta(seconds=place)), now)  # type: ignore[arg-type]
            for place, (name, tenant, kind, value) in enumerate(SAID)
        ],
        now,
    )
    yield real
    real.empty()
    real.close()


@pytest.fixture
def export(
    real: InPostgres, migrated_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Export:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRIFTWARDEN_DATABASE__URL", migrated_url)

    def run(*arguments: str) -> list[dict[str, Any]]:
        main(["export", *arguments])
        run.told = capsysbinary.readouterr()  # type: ignore[attr-defined]
        return [json.loads(each) for each in run.told.out.splitlines()]  # type: ignore[attr-defined]

    return run


def texts(rows: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    return {(row["source"], row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in rows}


PEOPLE = {
    ("correction", "Five working days.", "A year."), ("label", "Five days.", "Ten days."),
    ("label", "Five days.", "A year."), ("correction", " upon a time", " upon a tme"),
}  # fmt: skip


def test_pairs_are_of_one_question_and_say_where_they_come_from(export: Export) -> None:
    rows = export("preferences")
    told = export.told.err.decode()  # type: ignore[attr-defined]
    assert texts(rows) == PEOPLE
    (label,) = [row for row in rows if row["rejected_trace"] == "t2"]
    assert label["prompt"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
    assert (label["chosen_trace"], label["tenant"], label["said_by"], label["context"]) == ("t1", "acme", "ann", [])
    assert label["chosen_build"] != label["rejected_build"]
    (written,) = [row for row in rows if row["rejected_trace"] == "t7"]
    assert (written["prompt"], written["chosen_trace"]) == ([{"role": "user", "content": "Once"}], None)
    assert told == "4 pairs written (correction: 2, label: 2, left out: not text alone: 2)\n"


def test_every_pair_has_the_conversational_form_that_dpo_training_takes(export: Export) -> None:
    """https://huggingface.co/docs/trl/dataset_formats: lists of messages, the prompt ends before the assistant."""
    for row in export("preferences", "--by-score", "abstention"):
        for column in ("prompt", "chosen", "rejected"):
            assert row[column]
            assert all(set(message) == {"role", "content"} for message in row[column])
        assert row["prompt"][-1]["role"] == "user"
        assert [message["role"] for message in row["chosen"] + row["rejected"]] == ["assistant"] * 2
        assert row["chosen"] != row["rejected"]


def test_the_same_traces_give_the_same_lines_and_a_limit_their_beginning(export: Export) -> None:
    rows = export("preferences")
    assert export("preferences") == rows
    assert export("preferences", "--limit", "2") == rows[:2]


def test_a_span_of_time_and_a_segment_narrow_it(export: Export) -> None:
    assert {row["rejected_trace"] for row in export("preferences", "--segment", "tenant=other")} == {"t7"}
    assert texts(export("preferences", "--until", "2090-05-01T12:00:03Z")) == {("label", "Five days.", "Ten days.")}
    assert {row["rejected_trace"] for row in export("preferences", "--since", "2090-05-01T12:00:07Z")} == {"t7"}
    assert export("preferences", "--segment", "labels.plan=pro") == []


def test_scores_make_pairs_where_they_are_asked_for_and_never_against_people(export: Export) -> None:
    rows = export("preferences", "--by-score", "abstention")
    more = texts(rows) - PEOPLE
    assert more == {("score abstention", "It takes five days.", "I can't help with that.")}
    (row,) = [row for row in rows if row["source"] == "score abstention"]
    assert (row["chosen_score"], row["rejected_score"]) == (0.0, 1.0)


def test_a_file_is_there_once_it_is_whole(export: Export, tmp_path: Path) -> None:
    assert export("preferences", "--out", "pairs.jsonl") == []
    assert len((tmp_path / "pairs.jsonl").read_text().splitlines()) == 4
    with pytest.raises(SystemExit):
        export("preferences", "--out", "other.jsonl", "--segment", "tenant")
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


def test_flagged_are_what_people_scores_and_guards_speak_against(export: Export) -> None:
    rows = {row["id"]: row for row in export("flagged", "--score", "abstention=0.9")}
    told = export.told.err.decode()  # type: ignore[attr-defined]
    assert {name: row["reasons"] for name, row in rows.items()} == {
        "t2": ["label thumb"], "t3": ["label correction", "guard deny"], "t4": ["label thumb"],
        "t6": ["label thumb"], "t7": ["label correction"], "t8": ["score abstention 1"],
    }  # fmt: skip
    assert told.startswith("6 flagged traces written (guard: 1, label: 5, score: 1)")
    assert rows["t3"]["correction"] == "Five working days."
    assert rows["t3"]["guard"] == DENIED
    assert rows["t3"]["label"] == {"bad": True, "kind": "correction", "source": "ann"}
    assert rows["t4"]["context"] == [{"id": "k", "text": "Refunds take six days."}]
    assert (rows["t8"]["scores"]["abstention"], rows["t8"]["spans"]["abstention"]) == (1.0, [[0, 12]])
    assert rows["t8"]["messages"] == [{"role": "user", "content": "How long?"}]


def test_sentences_that_no_passage_holds_are_told_with_what_speaks_for_them(real: InPostgres, export: Export) -> None:
    passage = {"id": "bridge", "text": "The harbour bridge opened in 1932 and carries eight lanes."}
    made = line(
        20, START, response="It opened in 1932. Its paint was chosen by Leonardo Vespucci.", context=[passage],
        prompt="When did the bridge open?",
    )  # fmt: skip
    scorer = Scorer(embedder=None, name="none", dimension=2, grounder=shipped_grounding())
    batch = unit([made], first=len(LINES))
    real.traces().commit(replace(batch, scored=scorer.score(decoded([made], first=len(LINES)))))
    (row,) = export("flagged", "--only", "score", "--score", "grounding=0.5")
    assert row["reasons"][0].startswith("score grounding 0.")
    (claim,) = row["claims"]
    assert claim["sentence"] == "Its paint was chosen by Leonardo Vespucci."
    assert "Vespucci" in claim["novel"]
    assert row["response"][slice(*claim["span"])] == claim["sentence"]


def test_flags_can_be_chosen(export: Export) -> None:
    assert [row["id"] for row in export("flagged", "--only", "guard")] == ["t3"]
    assert [row["id"] for row in export("flagged", "--only", "score", "--score", "abstention=0.5")] == ["t8"]
    assert export("flagged", "--only", "score", "--score", "uncertainty.mean_nll=0") == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["flagged", "--score", "risk"],
        ["flagged", "--score", "novel=0.5"],
        ["flagged", "--score", "risk=2"],
        ["preferences", "--by-score", "novel"],
    ],
)
def test_what_is_no_score_is_refused(export: Export, arguments: list[str]) -> None:  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        export(*arguments)
    assert ended.value.code == 2
