"""The record of an exchange is one that the consumer takes and scores."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.codec import Limits
from monitor.codec.records import decode
from monitor.model.build import build_of
from monitor.model.check import Decision
from monitor.model.decoded import Decoded
from monitor.model.exchange import Context, Exchange
from monitor.model.generation import Ask, Job
from monitor.model.record import Partition, Record
from monitor.model.trace import (
    Document,
    InputMessage,
    Labels,
    Model,
    Part,
    PromptTemplate,
    RequestOptions,
    Service,
    Tokenization,
    Trace,
)
from monitor.scoring.choosing import chooser
from monitor.worker import Origin, encoded
from tests.worker.conftest import START, Bench

NOW = datetime(2026, 5, 1, 0, 1, tzinfo=UTC)
LIMITS = Limits(2**22, 2**18, timedelta(days=1), timedelta(hours=1))


def origin(bench: Bench, **fields: object) -> Origin:
    return Origin(
        model=Model(name="bot", revision="ab" * 32, precision="fp32"),
        service=Service("worker", "1", "host"),
        template=PromptTemplate("chat", hash="1234"),
        tokenization=Tokenization("t", 260),
        texts=[each.decode("utf-8", "replace") for each in bench.scheduler.words.spelt],
        **fields,  # type: ignore[arg-type]
    )


def exchange(job: Job | None, **fields: object) -> Exchange:
    given: dict[str, object] = {
        "messages": [InputMessage("user", [Part(content="How long do refunds take?")])],
        "prompt_text": None, "error": None,
        "documents": [Document("a", "Refunds take five days.", rank=1)], "segment": Labels(tenant="acme"),
    }  # fmt: skip
    return Exchange(
        id="chatcmpl-1", operation="chat", at=START, ended_at=START + timedelta(seconds=2), requested="bot",
        options=RequestOptions(temperature=1.0, seed=4, n=1), context=Context("ab" * 16, "cd" * 8, "ef" * 8), job=job,
        **{**given, **fields},  # type: ignore[arg-type]
    )  # fmt: skip


def taken(made: Exchange, source: Origin) -> Trace:
    """The trace as the consumer reads it."""
    record = encoded(made, source)
    assert record.key == b"chatcmpl-1"
    found = decode(Record(Partition("t", 0), 0, record.value, record.headers), NOW, LIMITS)
    assert isinstance(found, Decoded), found
    return found.trace


@pytest.fixture
def job(shared_bench: Bench) -> Job:
    job = shared_bench.submit("a", Ask(prompt=[5, 6, 7], choices=2, most_tokens=9, seed=4, samples=1))
    shared_bench.run()
    return job


def test_the_consumer_takes_it_with_all_its_columns(shared_bench: Bench, job: Job) -> None:
    trace = taken(exchange(job), origin(shared_bench))
    found = trace.logprobs
    first = job.choices[0]
    assert found is not None
    assert found.top_k is not None
    assert (found.unit, found.source, found.top_k.k) == ("nats", "raw", 5)
    assert found.token_ids == first.ids
    assert np.abs(np.array(found.logprob) - first.logprob).max() <= 1e-6
    assert np.abs(np.array(found.entropy) - first.entropy).max() <= 1e-6
    assert [len(row) for row in found.top_k.token_ids] == [5] * len(first.ids)
    assert [len(row) for row in found.top_k.logprob] == [5] * len(first.ids)
    assert found.byte_offsets == first.starts
    assert (trace.usage.input_tokens, trace.usage.output_tokens) == (3, 9)
    assert trace.timing.total_s == pytest.approx((trace.timing.ttft_s or 0) + (trace.timing.decode_s or 0))
    assert trace.output_messages[0].finish_reason == "length"
    assert (trace.trace_id, trace.span_id, trace.parent_span_id) == ("ab" * 16, "cd" * 8, "ef" * 8)


def test_further_choices_and_samples_are_its_samples(shared_bench: Bench, job: Job) -> None:
    trace = taken(exchange(job), origin(shared_bench))
    assert [sample.text for sample in trace.samples] == [choice.text for choice in job.choices[1:]]
    assert trace.samples[0].logprob_sum == pytest.approx(sum(job.choices[1].logprob), abs=1e-5)


def test_uncertainty_is_scored_from_it(shared_bench: Bench, job: Job) -> None:
    record = encoded(exchange(job), origin(shared_bench))
    decoded = decode(Record(Partition("t", 0), 0, record.value, record.headers), NOW, LIMITS)
    assert isinstance(decoded, Decoded)
    found = chooser(["uncertainty.mean_nll"], None)(decoded)("uncertainty")
    assert found["uncertainty.mean_nll"].status == "ok"


def test_the_template_is_part_of_the_build(shared_bench: Bench, job: Job) -> None:
    source = origin(shared_bench)
    ours = taken(exchange(job), source)
    theirs = taken(exchange(job, template=PromptTemplate("rag", "4")), source)
    assert build_of(ours).startswith("bot:fp32-")
    assert build_of(ours) != build_of(theirs)


def test_an_exchange_without_an_answer_says_why(shared_bench: Bench) -> None:
    denied = Decision("deny", "block", "p", "h", "input")
    trace = taken(exchange(None, decisions=[denied]), origin(shared_bench))
    failed = taken(exchange(None, error="generation_failed"), origin(shared_bench))
    assert trace.guard is not None
    assert (trace.status, trace.output_messages, trace.guard.verdict) == ("ok", [], "deny")
    assert (failed.status, failed.error_type) == ("error", "generation_failed")


def test_a_sampled_trace_says_its_rate(shared_bench: Bench, job: Job) -> None:
    trace = taken(exchange(job), origin(shared_bench, rate=0.25, top=0))
    assert trace.sampling is not None
    assert trace.sampling.rate == 0.25
    assert trace.logprobs is not None
    assert trace.logprobs.top_k is None
