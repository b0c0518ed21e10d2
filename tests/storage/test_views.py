"""The views are the API of the drift database: a test that fails here breaks a user's dashboard."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from monitor.codec import decode_batch
from monitor.dev.postgres import create_database, drop_database
from monitor.inference.grounding import shipped_grounding
from monitor.model.build import build_of
from monitor.model.record import Record, Reject
from monitor.model.texts import prompt_of, response_of
from monitor.scoring import Scorer
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from tests.stores import FIRST, LIMITS, START, InPostgres, decoded, line, records, unit

# Columns may be added at the end of a view; one that is renamed, moved or removed is a new major version.
COLUMNS = {
    "v_alert_events": "id alert at happening summary",
    "v_alerts": "id fingerprint kind segment status onset fired_at resolved_at summary signals evidence inhibited_by"
    " labels causes severity resolution paged",
    "v_baselines": "version source space traces since until judged_from sha256 created_at in_force segments builds"
    " run_length_lowest run_length_highest left_out",
    "v_builds": "build first_seen last_seen traces model prompt_template",
    "v_calibrations": "score kind labels slope intercept knot_scores knot_shares error_before error brier fitted_at",
    "v_canaries": "target canary prompt state repetitions evidence since pinned_build build pinned_answer answer"
    " pinned_first_logprob first_logprob shift answer_changed pinned_exact_match exact_match pinned_token_f1 token_f1"
    " at status reason pinned_at sent_at",
    "v_canary_results": "id at target canary status reason build answer finish_reason latency_s first_logprob"
    " exact_match token_f1 rouge_l first_shift shift changed pinned log_e model",
    "v_certificates": "id score promise level delta threshold labels bad flagged made_at void alert",
    "v_claims": "time tenant id build score place value flagged sentence span passage document evidence novel",
    "v_deliveries": "message alert fingerprint endpoint status attempts next_attempt_at last_attempt_at last_status"
    " last_error created_at",
    "v_drift": "pane segment signal n effect_kind effect reference_value current_value log_e log_threshold evidence"
    " drifted onset shares baseline reference",
    "v_feedback": "tenant id at kind value comment source bad received_at",
    "v_guard_decisions": "time tenant id build verdict action policy policy_hash rule score latency_s degraded stages"
    " findings",
    "v_labels": "tenant id bad kind source at",
    "v_partitions": "topic partition next end lag event_time data_at resumed_at seen_at traces repeats rejects",
    "v_rejects": "id received_at topic partition offset reason message bytes forwarded_at replayed_at",
    "v_scores": "time tenant id build score value status reason spans calibrated claims",
    "v_traces": "time tenant id build model prompt_template environment user_id session_id prompt response"
    " finish_reason status prompt_tokens response_tokens latency_s trace_id span_id received_at topic partition offset"
    " record",
}


@pytest.fixture
def real(database_url: str) -> Iterator[InPostgres]:
    real = InPostgres(database_url)
    real.traces().positions({FIRST: 0})
    yield real
    real.close()


def test_views_and_their_columns_stay(real: InPostgres) -> None:
    found = real.rows(
        "SELECT table_name AS view, string_agg(column_name, ' ' ORDER BY ordinal_position) AS columns"
        " FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'v\\_%%' GROUP BY 1"
    )

    assert {row.view: row.columns for row in found} == COLUMNS


def test_every_view_says_what_it_is(real: InPostgres) -> None:
    found = real.rows(
        "SELECT relname AS view, obj_description(oid) AS said FROM pg_class"
        " WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace"
    )

    assert {row.view for row in found if row.said and row.said.endswith(".")} == COLUMNS.keys()


def test_a_trace_is_seen_with_its_signals(real: InPostgres) -> None:
    value = line(
        1, tenant="acme", prompt="Is it?", response="Yes.", tokens=70, timing={"total_s": 1.5}, novel={"kept": [1]},
        prompt_template={"name": "qa", "version": "3"}, service={"environment": "prod"}, trace_id="a" * 32,
        span_id="b" * 16,
    )  # fmt: skip
    batch = unit([value], at=START + timedelta(seconds=5))
    real.traces().commit(batch)

    (row,) = real.rows("SELECT * FROM v_traces")
    assert row._mapping == {
        "time": START, "tenant": "acme", "id": "t1", "build": build_of(batch.scored.traces[0].trace), "model": "bot",
        "prompt_template": "qa@3", "environment": "prod", "user_id": None, "session_id": None, "prompt": "Is it?",
        "response": "Yes.", "finish_reason": "stop", "status": "ok", "prompt_tokens": None, "response_tokens": 70.0,
        "latency_s": 1.5, "trace_id": "a" * 32, "span_id": "b" * 16, "received_at": START + timedelta(seconds=5),
        "topic": FIRST.topic, "partition": 0, "offset": 0, "record": json.loads(value),
    }  # fmt: skip


def test_scores_are_seen_one_by_one(real: InPostgres) -> None:
    real.traces().commit(unit([line(1, response="I can't help with that.")]))
    rows = {row.score: row for row in real.rows("SELECT * FROM v_scores")}

    assert (rows["abstention"].value, rows["abstention"].status, rows["abstention"].reason) == (1.0, "ok", None)
    assert rows["abstention"].spans == [[0, 12]]
    missing = rows["uncertainty.mean_nll"]
    assert (missing.value, missing.status, missing.spans) == (None, "insufficient_input", [])
    assert missing.reason


PASSAGES = [
    {"id": "weather", "text": "Sydney is sunny in May."},
    {"id": "bridge", "text": "Éric's bridge is old 🌉. The harbour bridge opened in 1932 and carries eight lanes."},
]


def test_sentences_are_seen_with_their_evidence_and_novel_words(real: InPostgres) -> None:
    answer = "🌉 The harbour bridge opened in 1932. It carries eight lanes. Its paint was chosen by Leonardo Vespucci."
    scorer = Scorer(embedder=None, name="none", dimension=2, grounder=shipped_grounding())
    batch = scorer.score(decoded([line(1, response=answer, context=PASSAGES, prompt="When did it open?"), line(2)]))
    real.traces().commit(replace(unit([line(1), line(2)]), scored=batch))
    (told,) = [row for row in real.rows("SELECT * FROM v_scores WHERE id = 't1' AND score = 'grounding'") if row.claims]
    held, _, novel = real.rows("SELECT * FROM v_claims ORDER BY place")
    (score, _) = batch.scores["grounding"]

    assert [claim["span"] for claim in told.claims] == [list(claim.span) for claim in score.claims]
    assert (held.score, held.place, held.passage, held.document) == ("grounding", 1, 1, "bridge")
    assert held.sentence == "🌉 The harbour bridge opened in 1932."
    assert held.evidence == "The harbour bridge opened in 1932 and carries eight lanes."
    assert (held.novel, held.flagged) == ([], False)
    assert novel.sentence == "Its paint was chosen by Leonardo Vespucci."
    assert (novel.novel, novel.flagged) == (["paint", "chosen", "Leonardo", "Vespucci"], True)
    assert [held.value, novel.value] == [round(score.claims[place].value, 4) for place in (0, 2)]
    assert held.value < 0.5 < novel.value


def test_builds_are_seen_with_their_first_and_last_trace(real: InPostgres) -> None:
    later = START + timedelta(hours=1)
    real.traces().commit(unit([line(1, later), line(2), line(3, version="2")]))
    real.traces().commit(unit([line(4, START - timedelta(hours=1))], first=3))
    rows = {row.model["version"]: row for row in real.rows("SELECT * FROM v_builds")}

    assert (rows["1"].first_seen, rows["1"].last_seen, rows["1"].traces) == (START - timedelta(hours=1), later, 3)
    assert (rows["2"].first_seen, rows["2"].last_seen, rows["2"].traces) == (START, START, 1)


def test_rejects_and_partitions_are_counted(real: InPostgres) -> None:
    reject = Reject(Record(FIRST, 1, b"nonsense", {}), "not_json", "no JSON")
    real.traces().commit(unit([line(1)], rejects=[reject]))

    (row,) = real.rows('SELECT topic, partition, "offset", reason, message, bytes FROM v_rejects')
    assert tuple(row) == (FIRST.topic, 0, 1, "not_json", "no JSON", 8)
    (row,) = real.rows('SELECT next, "end", lag, traces, repeats, rejects FROM v_partitions')
    assert tuple(row) == (2, 2, 0, 1, 0, 1)


@pytest.fixture(scope="module")
def asked(postgres_url: str) -> Iterator[Connection]:
    """A connection to a database that all examples read."""
    url = create_database(postgres_url, "test_views")
    engine = connect(url)
    migrate(engine)
    with engine.connect() as connection:
        yield connection
    engine.dispose()
    drop_database(url)


texts = st.none() | st.text(max_size=6) | st.sampled_from(["", " ", "a\nb", "é", "\U0001f600"])
parts = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["text", "image", "reasoning", ""]),
        "content": texts | st.integers() | st.lists(texts, max_size=2) | st.fixed_dictionaries({"text": texts}),
        "text": texts,
        "other": texts,
    },
)
roles = st.sampled_from(["user", "assistant", "system", "tool", "User", ""])
messages = st.lists(st.fixed_dictionaries({"role": roles}, optional={"parts": st.lists(parts, max_size=4)}), max_size=4)
traces = st.fixed_dictionaries(
    {
        "output_messages": st.lists(
            st.fixed_dictionaries({}, optional={"parts": st.lists(parts, max_size=3)}), max_size=2
        )
    },
    optional={"prompt_text": texts, "input_messages": messages},
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(traces, min_size=1, max_size=8))
def test_sql_and_python_read_the_same_prompt_and_response(asked: Connection, found: list[dict[str, Any]]) -> None:
    lines = []
    for number, fields in enumerate(found):
        told = json.loads(line(number))
        del told["prompt_text"]
        lines.append(json.dumps({**told, **fields}, ensure_ascii=number % 2 == 0).encode())
    decoded, _ = decode_batch(records(lines), START, LIMITS)
    bodies = [item.body.decode() for item in decoded]
    rows = asked.exec_driver_sql(
        "SELECT trace_prompt(body::jsonb), trace_response(body::jsonb)"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS listed (body, place) ORDER BY place",
        (bodies,),
    ).all()

    assert [tuple(row) for row in rows] == [(prompt_of(item.trace), response_of(item.trace)) for item in decoded]
