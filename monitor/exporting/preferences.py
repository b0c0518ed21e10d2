"""Pairs of preferences, question by question, in the form that TRL's DPOTrainer takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from itertools import groupby
from typing import Any

from monitor.exporting.pairs import Answer, Pair, Rules, pairs_of
from monitor.exporting.texts import Message, all_text, conversation, decode, said
from monitor.exporting.wanted import Wanted
from monitor.model.texts import response_of
from monitor.model.trace import Trace
from monitor.ports import Reader

# Answers to one question that are looked at: one that is asked all day must not fill the memory.
MOST_ANSWERS = 1000

# Answers are of one question where all that the model was given is the same. A question is read where it can make a
# pair: it has a correction, a good and a bad answer, or scores that lie apart.
SQL = r"""
    WITH answers AS MATERIALIZED (
        SELECT t.tenant, t.id, t.time, t.build, l.bad, l.source AS said_by, c.correction, {score} AS score,
            md5(concat_ws(E'\x1f', t.record::jsonb -> 'input_messages', t.record::jsonb ->> 'prompt_text',
                t.record::jsonb -> 'system_instructions', t.record::jsonb -> 'tools',
                jsonb_path_query_array(t.record::jsonb, '$.context[*].text'))) AS asked
        FROM v_traces AS t {labels} JOIN v_labels AS l USING (tenant, id)
        LEFT JOIN LATERAL (
            SELECT f.value #>> '{{}}' AS correction FROM v_feedback AS f
            WHERE f.tenant = t.tenant AND f.id = t.id AND f.kind = 'correction' AND json_typeof(f.value) = 'string'
            ORDER BY f.at DESC, f.received_at DESC, f.source LIMIT 1
        ) AS c ON true
        {scores}
        WHERE t.status = 'ok' AND {wanted}
    ), asked AS (
        SELECT *, bool_or(bad) OVER same AS any_bad, bool_or(NOT bad) OVER same AS any_good,
            max(score) OVER same - min(score) OVER same AS apart
        FROM answers WINDOW same AS (PARTITION BY tenant, asked)
    )
    SELECT a.tenant, a.id, a.time, a.build, a.bad, a.said_by, a.correction, a.score, a.asked, t.record::text AS record
    FROM asked AS a JOIN v_traces AS t USING (tenant, id, time)
    WHERE a.correction IS NOT NULL OR (a.any_bad AND a.any_good) OR a.apart >= :margin
    ORDER BY a.tenant, a.asked, a.time, a.id
"""
SCORES = """LEFT JOIN v_scores AS s
    ON (s.tenant, s.id, s.time) = (t.tenant, t.id, t.time) AND s.score = :score AND s.status = 'ok'"""


def preferences(reader: Reader, wanted: Wanted, rules: Rules, counts: Counter[str]) -> Generator[Mapping[str, Any]]:
    """The pairs as rows, in the same order whenever they are asked for.

    ``counts`` grows beside them: pairs by source, and what was left out and why. Only one question is in memory.
    """
    conditions, values = wanted.conditions()
    sql = SQL.format(
        score="NULL::double precision" if rules.score is None else "coalesce(s.calibrated, s.value)",
        labels="" if rules.score is None else "LEFT",
        scores="" if rules.score is None else SCORES,
        wanted=conditions,
    )
    rows = reader.rows(sql, {**values, "score": rules.score, "margin": rules.margin})
    for _, group in groupby(rows, key=lambda row: (row["tenant"], row["asked"])):
        yield from of_question(group, rules, counts)


def of_question(rows: Iterator[Mapping[str, Any]], rules: Rules, counts: Counter[str]) -> Iterator[Mapping[str, Any]]:
    asked: Trace | None = None
    answers: list[Answer] = []
    for row in rows:
        if len(answers) == MOST_ANSWERS:
            counts[f"left out: over {MOST_ANSWERS} answers to a question"] += 1
            continue
        trace = decode(row["record"])
        if not all_text(trace):
            counts["left out: not text alone"] += 1
            continue
        asked = asked or trace
        answers.append(answer_of(row, trace))
    if asked is None:
        return
    skipped: Counter[str] = Counter()
    prompt, context = conversation(asked), [each.text for each in asked.context]
    for pair in pairs_of(answers, rules, skipped):
        counts[pair.source] += 1
        yield row_of(pair, prompt, context, asked.tenant)
    counts.update({f"left out: {reason}": count for reason, count in skipped.items() if count})


def answer_of(row: Mapping[str, Any], trace: Trace) -> Answer:
    return Answer(
        row["id"], row["time"], row["build"], response_of(trace), row["bad"], row["said_by"] or None,
        row["correction"], row["score"],
    )  # fmt: skip


def row_of(pair: Pair, prompt: list[Message], context: list[str], tenant: str) -> Mapping[str, Any]:
    """A line of the file. https://huggingface.co/docs/trl/dataset_formats#preference, conversational."""
    chosen, rejected = pair.chosen_of, pair.rejected_of
    return {
        "prompt": prompt,
        "chosen": [said("assistant", pair.chosen)],
        "rejected": [said("assistant", pair.rejected)],
        "context": context,
        "source": pair.source,
        "tenant": tenant,
        "chosen_trace": chosen.id if chosen else None,
        "chosen_build": chosen.build if chosen else None,
        "chosen_score": chosen.score if chosen else None,
        "rejected_trace": rejected.id,
        "rejected_build": rejected.build,
        "rejected_score": rejected.score,
        "said_by": rejected.said_by,
        "time": rejected.time.isoformat(),
    }
