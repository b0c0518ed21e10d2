"""What is counted."""

from __future__ import annotations

from typing import assert_never

from opentelemetry.sdk.metrics import MeterProvider

from monitor.events import (
    AlertChanged,
    Attempted,
    Away,
    Back,
    BaselineActivated,
    BatchScored,
    BatchStored,
    CanaryAnswered,
    CertificateVoid,
    Event,
    FeedbackStored,
    Generated,
    GenerationFailed,
    GuardChecked,
    LaggedLearned,
    OffsetsLost,
    OwnershipLost,
    PanesJudged,
    PartitionsPlaced,
    RoleEnded,
    SegmentsLeftOut,
    Started,
    Stopped,
)
from monitor.telemetry import gen_ai

GUARD_BOUNDS_S = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0)
STAGE_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Instruments:
    """What is counted; series that may stay at 0 are there from the start."""

    def __init__(self, provider: MeterProvider) -> None:
        meter = provider.get_meter("driftwarden")
        self.traces = meter.create_counter("driftwarden_traces", description="Traces stored by this process.")
        self.repeats = meter.create_counter("driftwarden_repeats", description="Traces and feedback that came again.")
        self.rejects = meter.create_counter("driftwarden_rejects", description="Records set aside, by reason.")
        self.batches = meter.create_counter("driftwarden_batches", description="Transactions committed.")
        self.stages = meter.create_histogram(
            "driftwarden_batch_stage_seconds",
            description="Seconds a batch spent in each stage.",
            explicit_bucket_boundaries_advisory=STAGE_BOUNDS_S,
        )
        self.score_seconds = meter.create_counter(
            "driftwarden_score_seconds", unit="s", description="Seconds spent on each score."
        )
        self.scores = meter.create_counter("driftwarden_scores", description="Traces by score and by its status.")
        self.opinions = meter.create_counter("driftwarden_feedback", description="Feedback stored by this process.")
        self.placed = meter.create_gauge("driftwarden_partitions", description="Partitions this process reads.")
        self.fenced = meter.create_counter(
            "driftwarden_ownership_lost", description="Batches another owner had stored."
        )
        self.lost = meter.create_counter(
            "driftwarden_offsets_lost", description="Records deleted before they were read."
        )
        self.away = meter.create_gauge("driftwarden_away", description="1 while something that is needed is away.")
        self.baseline = meter.create_gauge("driftwarden_baseline_version", description="Baseline last activated here.")
        self.panes = meter.create_counter("driftwarden_panes", description="Panes judged by this process.")
        self.judged = meter.create_counter("driftwarden_judged_traces", description="Traces in panes judged here.")
        self.alerts = meter.create_counter("driftwarden_alerts", description="Transitions of alerts, by happening.")
        self.deliveries = meter.create_counter("driftwarden_deliveries", description="Attempts to deliver, by outcome.")
        self.guarded = meter.create_histogram(
            "driftwarden_guard_seconds",
            description="Seconds from a guard's request to its answer, by stage and verdict.",
            explicit_bucket_boundaries_advisory=GUARD_BOUNDS_S,
        )
        self.guard_rules = meter.create_counter("driftwarden_guard_rules", description="Rules that fired, by mode.")
        self.guard_missed = meter.create_counter(
            "driftwarden_guard_missed", description="Rules not measured, for want of time or for an error."
        )
        self.void = meter.create_counter(
            "driftwarden_guard_void_certificates", description="Times a rule's certificate was found void."
        )
        self.left_out = meter.create_counter(
            "driftwarden_segments_left_out", description="Segments over drift.segment_limit when they were first met."
        )
        self.canaries = meter.create_counter("driftwarden_canaries", description="Golden prompts sent, by status.")
        self.generation = gen_ai.Instruments(meter)
        self.restarts = meter.create_counter("driftwarden_role_restarts", description="Processes that died, by role.")
        for counter in (self.traces, self.repeats, self.batches, self.fenced, self.lost, self.panes, self.judged):
            counter.add(0)

    def count(self, event: Event) -> None:  # noqa: PLR0912, PLR0915 - a case for each event
        match event:
            case BatchStored(traces=traces, repeats=repeats, rejects=rejects, seconds=seconds):
                self.traces.add(traces)
                self.repeats.add(repeats)
                self.batches.add(1)
                for reason, count in rejects.items():
                    self.rejects.add(count, {"reason": reason})
                for stage, spent_s in seconds.items():
                    self.stages.record(spent_s, {"stage": stage})
            case BatchScored(seconds=seconds, statuses=statuses):
                for score, spent_s in seconds.items():
                    self.score_seconds.add(spent_s, {"score": score})
                for score, counts in statuses.items():
                    for status, count in counts.items():
                        self.scores.add(count, {"score": score, "status": status})
            case FeedbackStored(opinions=opinions, repeats=repeats, rejects=rejects):
                self.opinions.add(opinions)
                self.repeats.add(repeats)
                for reason, count in rejects.items():
                    self.rejects.add(count, {"reason": reason})
            case PartitionsPlaced(positions=positions):
                self.placed.set(len(positions))
            case OwnershipLost():
                self.fenced.add(1)
            case Away(what=what):
                self.away.set(1, {"what": what})
            case Back(what=what):
                self.away.set(0, {"what": what})
            case OffsetsLost(expected=expected, earliest=earliest):
                self.lost.add(max(earliest - expected, 0))  # a topic made anew begins earlier, and lost none
            case BaselineActivated(version=version):
                self.baseline.set(version)
            case SegmentsLeftOut(segments=segments):
                self.left_out.add(segments)
            case PanesJudged(panes=panes, traces=count):
                self.panes.add(panes)
                self.judged.add(count)
            case AlertChanged(happening=happening):
                self.alerts.add(1, {"happening": happening})
            case Attempted(endpoint=endpoint, outcome=outcome):
                self.deliveries.add(1, {"endpoint": endpoint, "outcome": outcome})
            case GuardChecked(
                policy=policy, stage=stage, verdict=verdict, latency_s=spent_s, fired=fired, missed=missed
            ):
                self.guarded.record(spent_s, {"policy": policy, "stage": stage, "verdict": verdict})
                for rule, mode in fired:
                    self.guard_rules.add(1, {"policy": policy, "rule": rule, "mode": mode})
                for rule in missed:
                    self.guard_missed.add(1, {"policy": policy, "rule": rule})
            case CanaryAnswered(target=target, status=status):
                self.canaries.add(1, {"target": target, "status": status})
            case CertificateVoid(rule=rule):
                self.void.add(1, {"rule": rule})
            case Generated():
                self.generation.count(event)
            case RoleEnded(role=role):
                self.restarts.add(1, {"role": role})
            case Started() | Stopped() | GenerationFailed() | LaggedLearned():
                pass
            case _:
                assert_never(event)
