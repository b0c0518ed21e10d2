import hashlib
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.groundedness import grounding, judge
from monitor.errors import Permanent
from monitor.inference.grounding import DIGEST, FILE, decode, encode, load_grounding, shipped_grounding

FOLDER = Path(str(resources.files("monitor.inference") / "models"))
CONTEXT = ["The bridge opened in 1932. It carries eight lanes of traffic.", "The tunnel was dug by hand."]
QUESTION = "What is known of the bridge?"


def test_the_shipped_model_is_the_one_its_digest_names() -> None:
    assert (FOLDER / DIGEST).read_text().split()[0] == hashlib.sha256((FOLDER / FILE).read_bytes()).hexdigest()


def test_the_shipped_model_is_small() -> None:
    assert (FOLDER / FILE).stat().st_size < 5_000_000


def test_the_shipped_model_tells_a_made_up_answer_from_a_held_one() -> None:
    made_up = "The bridge was designed by Ralph Freeman and cost 4.2 million pounds, which made it famous in Europe."
    held = "The bridge opened in 1932 and carries eight lanes of traffic."
    novel, good = grounding([made_up, held], [CONTEXT] * 2, shipped_grounding(), questions=[QUESTION] * 2)
    assert novel.value is not None
    assert good.value is not None
    assert (novel.value > 0.9, good.value < 0.7) == (True, True)
    assert "Ralph Freeman" in " ".join(made_up[start:end] for start, end in novel.spans)
    assert good.spans == ()


def test_the_evidence_of_a_sentence_is_where_it_is_from() -> None:
    answer = "The tunnel was dug by hand. The bridge carries eight lanes."
    found = judge(answer, CONTEXT, QUESTION, shipped_grounding())
    assert found is not None
    assert [CONTEXT[claim.passage][slice(*claim.evidence)] for claim in found.claims] == [
        "The tunnel was dug by hand.",
        "It carries eight lanes of traffic.",
    ]


def test_a_model_written_and_read_is_the_same() -> None:
    model = shipped_grounding()
    again = decode(encode(model, {}), "copy")
    assert again.names == model.names
    assert again.lexicon == model.lexicon
    for one, other in zip(again.heads, model.heads, strict=True):
        assert all(np.array_equal(one.weights[name], value) for name, value in other.weights.items())
        assert np.array_equal(one.mean, other.mean)


def test_other_bytes_than_the_digest_names_are_refused(tmp_path: Path) -> None:
    body = (FOLDER / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(body + b" ")
    (tmp_path / DIGEST).write_text((FOLDER / DIGEST).read_text())
    with pytest.raises(Permanent, match="expected sha256"):
        load_grounding(tmp_path / FILE)


def test_a_file_without_a_digest_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.json").write_bytes((FOLDER / FILE).read_bytes())
    assert load_grounding(tmp_path / "own.json").names == shipped_grounding().names


def test_a_file_that_is_absent_or_no_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot read"):
        load_grounding(tmp_path / "none.json")
    with pytest.raises(Permanent, match="is no groundedness model"):
        decode(b"{}", "empty")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "expected format 1, got 2"),
        ({"names": ["held"]}, "mean and scale: expected 1 numbers"),
    ],
)
def test_a_model_this_program_cannot_run_is_refused(change: dict[str, object], told: str) -> None:
    found = msgspec.json.decode((FOLDER / FILE).read_bytes())
    with pytest.raises(Permanent, match=told):
        decode(msgspec.json.encode(found | change), "changed")
