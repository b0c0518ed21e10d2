import json

from monitor.inference.grounding import shipped_grounding
from monitor.model.scores import CATALOGUE
from monitor.scoring.batch import untimed
from monitor.scoring.choosing import chooser
from monitor.scoring.exchange import exchanges
from monitor.scoring.grounded import steps
from monitor.scoring.measuring import measure
from tests.stores import decoded, line

NAMES = [kind.name for kind in CATALOGUE]
RICH = {
    "prompt": "How long do refunds take?",
    "response": "Refunds take five days. They may cost 12 dollars.",
    "context": [{"id": "a", "text": "Refunds take five days.", "score": 0.8}],
    "logprobs": {"logprob": [-0.1, -2.5, -0.3, -0.1], "entropy": [0.2, 1.5, 0.4, 0.1]},
    "samples": [{"text": "Five days."}, {"text": "It takes five days."}, {"text": "Two weeks."}],
    "request": {"response_format": {"type": "json_object"}},
}


def test_the_scores_of_one_trace_are_the_same_bits_as_in_a_batch() -> None:
    model = shipped_grounding()
    lines = [line(1, **json.loads(json.dumps(RICH))), line(2), line(3, response="I don't know.")]
    traces = decoded(lines)
    together = measure(exchanges(traces), steps(model), untimed).scores
    choose = chooser(NAMES, model)
    for place, trace in enumerate(traces):
        of_family = choose(trace)
        alone = {name: score for kind in CATALOGUE for name, score in of_family(kind.family).items()}
        assert alone == {name: together[name][place] for name in NAMES}


def test_only_what_is_wanted_is_measured() -> None:
    (trace,) = decoded([line(1, **json.loads(json.dumps(RICH)))])
    of_family = chooser(["grounding.lexical", "format.json"], shipped_grounding())(trace)
    assert set(of_family("grounding")) == {"grounding.lexical"}
    assert set(of_family("format")) == {"format.json"}
    assert of_family.batch.readings.languages == {}


def test_risk_alone_is_what_it_is_beside_the_others() -> None:
    (trace,) = decoded([line(1, **json.loads(json.dumps(RICH)))])
    model = shipped_grounding()
    assert chooser(["risk"], model)(trace)("risk") == chooser(NAMES, model)(trace)("risk")
