"""From traces before and after an onset to a diagnosis: pure, so that the same traces give the same one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

import numpy as np

from detectors.base import Features, Labels
from detectors.cause import Cause, Label, Period
from detectors.explain import Explanation, Signals, explain
from detectors.keywords import keywords
from detectors.topics import Topics, topics, unit
from detectors.witness import Places, folds, witness
from monitor.examples import examples, features_of
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.deployment import deployment_of
from monitor.model.diagnosis import Case, Diagnosis, Size
from monitor.model.grid import pane_of
from monitor.model.scored import Scored
from monitor.model.texts import prompt_of
from monitor.model.trace import Trace
from monitor.sizes import size_of
from monitor.wording import detail, manner, sentence, source

Span = tuple[datetime, datetime]

# So many traces are read at most of the baseline's time, of the time before the onset, and of that since.
REFERENCE_TRACES, RECENT_TRACES, NEW_TRACES = 2000, 1000, 2000
# A time is read in so many of its panes at most, evenly spread.
PANES = 64
# With fewer traces on a side there is nothing to compare.
FEWEST = 20
# What is asked, whoever answers; prompt.tokens count the template's too.
ASKED = ("prompt.embedding", "prompt.characters")
# Answers are no matter of these: their drift alone says nothing of the model.
SERVING = ("latency", "time_to_first_token", "status")
# Topics are worth a word when this much of the change of behaviour is in this little of the traffic.
_MOST_OF_IT, _LITTLE_TRAFFIC = 0.6, 0.4
_LENGTHS = 8


@dataclass(frozen=True, slots=True)
class Windows:
    """The times that traces are read from."""

    reference: Sequence[Span]
    recent: Sequence[Span]
    new: Sequence[Span]


def windows(baseline: Baseline, onset: datetime, until: datetime, pane: timedelta) -> Windows:
    """What is compared: all since the onset with the baseline's traces and with the last before the onset.

    An onset is an estimate: as long before it as the drift has lasted is left out, at least two panes. The last before
    show what had been rolled out by then without harm.
    """
    last = onset - max(min(until - onset, PANES * pane), 2 * pane)
    fitted_until = baseline.until + timedelta(microseconds=1)
    first = max(baseline.judged_from, fitted_until, last - PANES * pane)
    return Windows(
        reference=unseen(baseline, fitted_until, pane),
        recent=spread(first, last, pane),
        new=spread(onset, until, pane),
    )


def unseen(baseline: Baseline, until: datetime, pane: timedelta) -> list[Span]:
    """The baseline's time without the panes that shaped its feature maps, at most so many panes of it, evenly spread.

    A prompt's answer is predicted best where the prediction was learned, so those traces would make all later ones,
    of whatever build, look as if they answered otherwise.
    """
    if not baseline.shaped:
        return spread(baseline.since, until, pane)
    first, shaped = pane_of(baseline.since, pane), set(baseline.shaped)
    starts = [start for i in range(ceil((until - first) / pane)) if (start := first + i * pane) not in shaped]
    kept = starts if len(starts) <= PANES else [starts[len(starts) * i // PANES] for i in range(PANES)]
    return [(max(start, baseline.since), min(start + pane, until)) for start in kept]


def spread(start: datetime, stop: datetime, pane: timedelta) -> list[Span]:
    """The time from start to stop, whole if it has few panes, else evenly spread panes of it."""
    if stop <= start:
        return []
    count = ceil((stop - start) / pane)
    if count <= PANES:
        return [(start, stop)]
    steps = [count * i // PANES for i in range(PANES)]
    return [(start + step * pane, min(start + (step + 1) * pane, stop)) for step in steps]


def diagnose(case: Case) -> Diagnosis | None:
    """Why the signals drift; None where there are too few traces to say."""
    if min(len(case.before), len(case.after)) < FEWEST:
        return None
    references = case.baseline.references[case.drifting[0].segment]
    dispersion = np.array([references[verdict.signal].over_dispersion for verdict in case.drifting])
    prompts = references.get("prompt.embedding")
    prompt_dispersion = prompts.over_dispersion if prompts is not None else float(dispersion.max())
    sessions = sessions_of(case)
    found = topics_of(case, prompt_dispersion)
    dealt = folds(sessions)
    cut = len(case.before)
    places = [placed(case, verdict.signal, dealt) for verdict in case.drifting]
    values = np.column_stack([place.before for place in places]), np.column_stack([place.after for place in places])
    told = explain(
        Period(values[0], found.before, dealt[:cut], labels_of(case.before), prompts_of(case.before)),
        Period(values[1], found.after, dealt[cut:], labels_of(case.after), prompts_of(case.after)),
        Signals(
            asked=np.array([verdict.signal in ASKED for verdict in case.drifting]),
            over_dispersion=dispersion,
            reach=np.array([place.reach for place in places]),
        ),
        novel=found.novel,
        prompt_dispersion=prompt_dispersion,
    )
    sizes = {
        verdict.signal: size_of(case, verdict.signal, place, float(spread))
        for verdict, place, spread in zip(case.drifting, places, dispersion, strict=True)
    }
    return worded(case, told, found, sizes)


def placed(case: Case, signal: str, dealt: Labels) -> Places:
    """The place of every trace along a signal's change."""
    cut = len(case.before)
    before, after = (features_of(scored, case.baseline, signal) for scored in (case.before, case.after))
    return witness(before, after, dealt[:cut], dealt[cut:])


def prompts_of(scored: Scored) -> Features | None:
    column = scored.columns.get("prompt.embedding")
    return unit(column) if isinstance(column, np.ndarray) else None


def sessions_of(case: Case) -> Labels:
    """The number of the session of each trace, those before first; a trace that tells of none is one by itself."""
    names = [session_name(item.trace) for scored in (case.before, case.after) for item in scored.traces]
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def session_name(trace: Trace) -> str:
    labels = trace.segment
    named = labels.session_id or labels.conversation_id
    return f"session {trace.tenant} {named}" if named else f"trace {trace.tenant} {trace.id} {trace.time.isoformat()}"


def topics_of(case: Case, over_dispersion: float) -> Topics:
    """By the prompts' embeddings; where most traces have none, by how long prompts are, of which none is novel."""
    first, second = (scored.columns.get("prompt.embedding") for scored in (case.before, case.after))
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and np.isfinite(first[:, 0]).mean() > 0.5:
        return topics(first, second, over_dispersion=over_dispersion)
    before, after = (
        np.array([len(prompt_of(item.trace)) for item in scored.traces], float) for scored in (case.before, case.after)
    )
    edges = np.unique(np.quantile(before, np.arange(1, _LENGTHS) / _LENGTHS))
    groups = [np.searchsorted(edges, size, side="left").astype(np.int64) for size in (before, after)]
    return Topics(groups[0], groups[1], count=_LENGTHS + 2)


def labels_of(scored: Scored) -> dict[Label, np.ndarray]:
    rows = [deployment_of(item.trace) for item in scored.traces]
    return {label: np.array([row[label] for row in rows]) for label in rows[0]}


def worded(case: Case, told: Explanation, found: Topics, sizes: Mapping[str, Size]) -> Diagnosis:
    """The explanation with names and words that people know."""
    answers = any(verdict.signal not in SERVING for verdict in case.drifting)
    found_causes = told.causes if answers else unblamed(told.causes)
    causes = [with_build_name(cause, case.after) for cause in found_causes]
    about = topic_words(case, told, found)
    sentences = [sentence(cause, about) for cause in causes]
    first = causes[0].kind
    traffic = any(cause.kind in ("traffic_mix", "new_topic") for cause in causes)
    drifting = {verdict.signal for verdict in case.drifting}
    known = "prompt.embedding" in case.baseline.references[case.drifting[0].segment]
    moved = (traffic or not drifting.isdisjoint(ASKED)) if known else None
    how = manner(sizes)
    return Diagnosis(
        causes=causes,
        sentences=sentences,
        builds=[builds_with(cause, case.after) for cause in found_causes],
        behaviour={
            verdict.signal: float(told.behaviour[place] / told.shifts[place]) if told.weights[place] > 0 else None
            for place, verdict in enumerate(case.drifting)
        },
        sizes=sizes,
        prompts_moved=moved,
        source=source(causes, about, clear=bool(told.weights.any())),
        detail=detail(
            told.share if told.weights.any() else None,
            prompts_moved=moved,
            how=f"{how}{about}" if how and first != "new_topic" else how,
        ),
        traces=(len(case.before), len(case.after)),
        examples=examples(case, case.drifting[int(told.weights.argmax())].signal),
    )


def unblamed(causes: Sequence[Cause]) -> list[Cause]:
    """The same causes, where nothing is laid to the model that no label tells of."""
    kept = [cause for cause in causes if cause.kind != "unexplained" and (cause.kind, cause.name) != ("model", "")]
    return [*kept, Cause("unexplained", "", 1.0 - sum(cause.share for cause in kept), 1.0)]


def with_build_name(cause: Cause, after: Scored) -> Cause:
    """A build by the name that segments have, with adapter and template: that of most of its traces."""
    if cause.kind != "build":
        return cause
    names = Counter(build_of(item.trace) for item in after.traces if deployment_of(item.trace)["build"] == cause.name)
    return replace(cause, name=min(names, key=lambda name: (-names[name], name)))


def builds_with(cause: Cause, after: Scored) -> list[str]:
    """The builds of the traces that have a cause's value, or of all where it is no label's."""
    found = set()
    for item in after.traces:
        values = [value for label, value in deployment_of(item.trace).items() if label == cause.kind]
        if not cause.name or cause.name in (values or [cause.name]):
            found.add(build_of(item.trace))
    return sorted(found)


def topic_words(case: Case, told: Explanation, found: Topics) -> str:
    """`` about …`` the topic that is new, or the few that most of the other behaviour is in; empty if it is in all."""
    novel = found.after == found.novel
    if any(cause.kind == "new_topic" for cause in told.causes):
        return about(case, novel)
    by_topic = told.by_topic
    traffic = np.bincount(found.after, minlength=len(by_topic))[: len(by_topic)] / len(found.after)
    order = np.argsort(-by_topic / np.maximum(traffic, 1e-12), kind="stable")
    reached = np.cumsum(by_topic[order]) >= _MOST_OF_IT * by_topic.sum()
    chosen = order[: int(reached.argmax()) + 1]
    if by_topic.sum() <= 0 or traffic[chosen].sum() > _LITTLE_TRAFFIC:
        return ""
    return about(case, np.isin(found.after, chosen))


def about(case: Case, inside: np.ndarray) -> str:
    """The words that tell these prompts after from all the others, before and after."""
    prompts = [prompt_of(item.trace) for item in case.after.traces]
    here = [text for text, chosen in zip(prompts, inside, strict=True) if chosen]
    others = [text for text, chosen in zip(prompts, inside, strict=True) if not chosen]
    words = keywords(here, [*others, *(prompt_of(item.trace) for item in case.before.traces)])
    return f" about {' and '.join(words)}" if words else ""
