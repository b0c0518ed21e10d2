"""Requests that join and leave one another's batches, on the real model in both exports."""

import re

import numpy as np
import pytest

from monitor.events import GenerationFailed
from monitor.inference.decoder.seeded import Shape, seeded_weights
from monitor.model.generation import Ask, Draw, Job, Step
from tests.inference.decoder.reference import logprobs
from tests.worker.conftest import Bench

SHAPE = Shape()
WEIGHTS = seeded_weights(SHAPE)
PROMPTS = [np.random.default_rng(length).integers(0, 256, length).tolist() for length in (6, 17, 3, 30, 11, 8)]


def greedy(prompt: list[int], tokens: int = 12, **fields: object) -> Ask:
    return Ask(prompt=prompt, most_tokens=tokens, temperature=0.0, **fields)  # type: ignore[arg-type]


def columns(job: Job) -> list[tuple[list[int], list[float], list[float]]]:
    return [(choice.ids, choice.logprob, choice.entropy) for choice in job.choices]


def apart(one: Job, other: Job) -> float:
    """The largest difference of what is said of the same tokens; infinite where the tokens differ."""
    if [choice.ids for choice in one.choices] != [choice.ids for choice in other.choices]:
        return np.inf
    pairs = zip(columns(one), columns(other), strict=True)
    return max(float(np.abs(np.array(a[1:]) - np.array(b[1:])).max()) for a, b in pairs)


def test_what_a_request_is_answered_does_not_depend_on_the_others(bench: Bench) -> None:
    asks = [
        Ask(prompt=prompt, most_tokens=5 + 4 * place, temperature=1.0, top_p=0.8 if place % 2 else 1.0, seed=place)
        for place, prompt in enumerate(PROMPTS)
    ]
    alone = []
    for ask in asks:
        alone.append(bench.submit("alone", ask))
        bench.run()
    together = []
    for ask in asks:  # 4 slots, 6 requests, one more every third step
        while (job := bench.scheduler.submit(ask, "together")) is None:
            bench.scheduler.turn()
        together.append(job)
        for _ in range(3):
            bench.scheduler.turn()
    bench.run()
    assert bench.scheduler.counts.rows > 1.5 * (
        bench.scheduler.counts.steps - sum(len(j.choices[0].ids) for j in alone)
    )
    # Columns of a concatenated cache stand elsewhere in company, so that float32 sums round otherwise.
    most = 0 if bench.scheduler.decoder.graph.layout == "shared" else 4e-6  # type: ignore[attr-defined]
    assert max(apart(one, other) for one, other in zip(alone, together, strict=True)) <= most


def test_logprobs_are_those_of_the_reference_whatever_was_drawn(bench: Bench) -> None:
    jobs = [bench.submit("a", Ask(prompt=prompt, most_tokens=20, seed=5, top_p=0.9)) for prompt in PROMPTS[:3]]
    bench.run()
    for job in jobs:
        (choice,) = job.choices
        prompt = list(job.ask.prompt)
        whole = logprobs(prompt + choice.ids, SHAPE, WEIGHTS)[len(prompt) - 1 :]
        expected = [whole[place, token] for place, token in enumerate(choice.ids)]
        assert np.abs(np.array(expected) - choice.logprob).max() <= 1e-5


def test_choices_share_one_reading_of_the_prompt(bench: Bench) -> None:
    job = bench.submit("n", Ask(prompt=PROMPTS[3], choices=3, most_tokens=10, seed=1))
    bench.run()
    assert bench.scheduler.counts.prompts == 1
    assert bench.scheduler.counts.prompt_tokens == len(PROMPTS[3])
    first = bench.submit("1", Ask(prompt=PROMPTS[3], most_tokens=10, seed=1))
    bench.run()
    assert columns(first)[0][0] == columns(job)[0][0]
    assert len({tuple(choice.ids) for choice in job.choices}) == 3
    assert sorted(piece.choice for piece in bench.pieces("n") if piece.finish) == [0, 1, 2]


def test_a_seed_gives_the_same_answer_again_and_another_seed_another(bench: Bench) -> None:
    made = [bench.submit("s", Ask(prompt=PROMPTS[0], most_tokens=12, seed=seed)) for seed in (7, 7, 8)]
    bench.run()
    assert made[0].choices[0].ids == made[1].choices[0].ids != made[2].choices[0].ids


def test_rows_that_end_leave_and_those_that_wait_come(shared_bench: Bench) -> None:
    for place in range(7):
        job = shared_bench.scheduler.submit(greedy(PROMPTS[0], tokens=3 + place), str(place))
        if job is None:
            shared_bench.scheduler.turn()
            shared_bench.submit(str(place), greedy(PROMPTS[0], tokens=3 + place))
    shared_bench.run()
    counts = shared_bench.scheduler.counts
    assert counts.prompts == 7
    assert counts.output_tokens == sum(range(3, 10))
    assert counts.rows == counts.output_tokens - counts.prompts  # no step computed a row that had ended


def test_a_queue_that_is_full_refuses(shared_bench: Bench) -> None:
    taken = [shared_bench.scheduler.submit(greedy(PROMPTS[0]), str(place)) for place in range(5)]
    assert [job is not None for job in taken] == [True, True, True, False, False]
    assert shared_bench.scheduler.counts.refused == 2
    assert shared_bench.scheduler.retry_after_s() >= 1


def test_a_cancelled_request_frees_its_slots_before_the_next_step(bench: Bench) -> None:
    settled: list[str] = []
    gone = bench.submit("gone", greedy(PROMPTS[0], tokens=100, choices=4))
    gone.when_settled(lambda: settled.append("gone"))
    bench.scheduler.turn()
    waiting = bench.submit("next", greedy(PROMPTS[1], tokens=2))
    bench.scheduler.turn()
    assert len(bench.scheduler.rows) == 4
    bench.scheduler.cancel(gone)
    bench.run()
    assert settled == ["gone"]
    assert bench.scheduler.counts.cancelled == 1
    assert len(gone.choices[0].ids) <= 3
    assert waiting.choices[0].finish == "length"


def test_a_request_that_is_cancelled_while_it_waits_is_never_read(shared_bench: Bench) -> None:
    job = shared_bench.submit("gone", greedy(PROMPTS[0]))
    shared_bench.scheduler.cancel(job)
    shared_bench.scheduler.turn()
    assert shared_bench.scheduler.counts.prompts == 0
    assert not shared_bench.scheduler.waiting


def test_samples_take_the_room_there_is_and_are_told_to_nobody(shared_bench: Bench) -> None:
    settled: list[int] = []
    job = shared_bench.submit("a", greedy(PROMPTS[0], tokens=4, samples=9))
    job.when_settled(lambda: settled.append(len(job.choices)))
    shared_bench.run()
    assert settled == [4]
    assert len(job.choices) == 4
    assert {piece.choice for piece in shared_bench.pieces("a")} == {0}
    assert shared_bench.scheduler.counts.prompts == 1


def test_streamed_pieces_add_up_to_the_answer(bench: Bench) -> None:
    job = bench.submit("s", greedy(PROMPTS[1], tokens=40, streams=True))
    bench.run()
    pieces = bench.pieces("s")
    assert "".join(piece.text for piece in pieces) == job.choices[0].text
    assert pieces[-1].finish == "length"
    assert [piece.tokens for piece in pieces] == sorted(piece.tokens for piece in pieces)


def test_a_stop_text_across_tokens_ends_the_answer_and_is_no_part_of_it(bench: Bench) -> None:
    whole = bench.submit("whole", greedy(PROMPTS[1], tokens=30))
    bench.run()
    spelt = bench.scheduler.words.spelt
    readable = re.search(r"(?<=.)[^\ufffd]{2,}", whole.choices[0].text, re.DOTALL)  # each token is a byte
    assert readable is not None
    stop = readable[0]
    job = bench.submit("stopped", greedy(PROMPTS[1], tokens=30, stop=(stop,), streams=True))
    bench.run()
    choice = job.choices[0]
    assert choice.finish == "stop"
    assert stop not in choice.text
    assert whole.choices[0].text.startswith(choice.text)
    assert "".join(piece.text for piece in bench.pieces("stopped")) == choice.text
    assert len(choice.ids) == len(choice.logprob) == len(choice.top) < len(whole.choices[0].ids)
    assert b"".join(spelt[token] for token in choice.ids).startswith(choice.text.encode()[: choice.starts[-1]])


def test_a_model_that_fails_fails_its_requests_and_serves_the_next(
    shared_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_tokens: list[int], _draw: Draw) -> Step:
        raise RuntimeError("out of memory")

    settled: list[str] = []
    job = shared_bench.submit("bad", greedy(PROMPTS[0]))
    job.when_settled(lambda: settled.append("bad"))
    with monkeypatch.context() as patch:
        patch.setattr(type(shared_bench.scheduler.decoder), "step", lambda _self, tokens, draw: broken(tokens, draw))
        shared_bench.scheduler.turn()
    good = shared_bench.submit("good", greedy(PROMPTS[0]))
    shared_bench.run()
    assert shared_bench.failures("bad") == ["RuntimeError: out of memory"]
    assert shared_bench.events == [GenerationFailed(1, "RuntimeError: out of memory")]
    assert settled == ["bad"]
    assert good.choices[0].finish == "length"


def test_what_is_under_way_when_the_worker_stops_is_told(shared_bench: Bench) -> None:
    shared_bench.submit("a", greedy(PROMPTS[0], tokens=100))
    shared_bench.submit("b", greedy(PROMPTS[0], tokens=100))
    shared_bench.scheduler.turn()
    shared_bench.scheduler.stop()
    shared_bench.scheduler.run()
    assert shared_bench.failures("a") == shared_bench.failures("b") == ["the worker stops"]
    assert shared_bench.scheduler.submit(greedy(PROMPTS[0]), "c") is None


def test_a_request_without_a_stop_text_ends_at_the_models_own_end(shared_bench: Bench) -> None:
    # The seeded model says its end (one token of 260) sooner or later when it draws.
    jobs = []
    for seed in range(12):
        while (job := shared_bench.scheduler.submit(Ask(prompt=PROMPTS[2], most_tokens=120, seed=seed), "e")) is None:
            shared_bench.scheduler.turn()
        jobs.append(job)
    shared_bench.run()
    ended = [job.choices[0] for job in jobs if job.choices[0].finish == "stop"]
    assert ended
    assert all(256 not in choice.ids and len(choice.ids) < 120 for choice in ended)
