"""The guard, made from its settings and policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from time import perf_counter

import msgspec

from detectors.score import Score, ok
from monitor.errors import Permanent
from monitor.events import CertificateVoid
from monitor.guard.backtest import Report
from monitor.guard.backtest import backtest as judged_again
from monitor.guard.client import GuardClient
from monitor.guard.engine import Engine
from monitor.guard.plan import OfFamily, OfText, planned
from monitor.guard.policy import ByPersonalData, ByScore, BySimilarity, Policy
from monitor.guard.reading import named, read_policies, wants_certificates
from monitor.model.decoded import Decoded
from monitor.model.feedback import Certificate
from monitor.model.trace import Trace
from monitor.ports import Embedder, Emit, Reader
from monitor.scoring.choosing import chooser
from monitor.settings import Settings
from monitor.storage.reader import PostgresReader
from monitor.wiring.parts import clock, embedder, engine, grounder, settings

OF_MODEL = {"grounding", "risk"}


class Instruments:
    """What rules are measured with, loaded when the first rule asks for it and shared among policies."""

    def __init__(self, found: Settings) -> None:
        self.found = found

    def scores(self, names: Sequence[str]) -> Callable[[Decoded], OfFamily]:
        if "grounding" in names and self.found.grounding.source == "off":
            raise Permanent("a policy asks for the score grounding, and DRIFTWARDEN_GROUNDING__SOURCE is off")
        return chooser(names, grounder(self.found) if OF_MODEL & set(names) else None)

    def secrets(self) -> OfText:
        from monitor.guard.rules.secrets import Secrets

        return Secrets.load()

    def personal_data(self, check: ByPersonalData) -> OfText:
        from monitor.guard.rules.pii import PersonalData

        return PersonalData.load(check)

    def similarity(self, check: BySimilarity) -> OfText:
        from monitor.guard.rules.similarity import Similarity

        return Similarity.load(self.encoder, check)

    @cached_property
    def encoder(self) -> Embedder:
        made = embedder(self.found)
        if made is None:
            raise Permanent("rules on similarity need an encoder, and DRIFTWARDEN_EMBEDDING__SOURCE is trace")
        return made

    def classifier(self, folder: str, label: str) -> OfText:
        from monitor.inference.classifier import Classifier

        made = Classifier.load(Path(folder), provider=self.found.embedding.provider)
        if label not in made.labels:
            raise Permanent(f"classifier {folder}: expected a label of {', '.join(made.labels)}, got {label!r}")

        def measure(text: str) -> Score:
            return ok(made.probability(text, label))

        return measure


def guard(found: Settings, paths: Sequence[Path], emit: Emit) -> Engine:
    """The engine of these policies. Raises Permanent with what is wrong with them."""
    kept, void = certificates_of(found) if any(map(wants_certificates, paths)) else (None, {})
    policies = read_policies(paths, kept)
    for policy in policies:
        for event in void_in(policy, kept or {}, void):
            emit(event)
    instruments = Instruments(found)
    plans = [planned(policy, instruments) for policy in policies]
    made = Engine(plans, threads=found.guard.threads, timer=perf_counter, clock=clock, emit=emit)
    made.warm()
    return made


def guard_engine(paths: Sequence[Path] = (), *, emit: Emit = lambda _event: None) -> Engine:
    """The engine of these policies, else of those of the settings, else of the example."""
    found = settings()
    if not (paths or found.guard.policies):
        with resources.as_file(resources.files("monitor.guard") / "example.yaml") as example:
            return guard(found, [example], emit)
    return guard(found, paths or found.guard.policies, emit)


def certificates_of(found: Settings) -> tuple[Mapping[int, Certificate] | None, Mapping[int, str]]:
    """The certificates kept, by number, and the alerts that make some of them void; None without a database."""
    if found.database.url is None:
        return None, {}
    database = engine(found)
    try:
        return read_certificates(PostgresReader(database))
    finally:
        database.dispose()


def read_certificates(reader: Reader) -> tuple[Mapping[int, Certificate], Mapping[int, str]]:
    rows = list(reader.rows("SELECT * FROM v_certificates", {}))
    names = Certificate.__dataclass_fields__
    kept = {row["id"]: Certificate(**{name: row[name] for name in names}) for row in rows}
    return kept, {row["id"]: row["alert"] for row in rows if row["void"]}


def void_in(policy: Policy, kept: Mapping[int, Certificate], void: Mapping[int, str]) -> list[CertificateVoid]:
    """The rules of a policy whose certificates are void."""
    alerts = {kept[number]: alert for number, alert in void.items()}
    events = []
    for rule in policy.rules:
        check = rule.when
        if isinstance(check, ByScore) and check.certificate is not None:
            used = named(check.certificate, check.score, kept)
            if used in alerts:
                events.append(CertificateVoid(rule.name, str(check.certificate), alerts[used]))
    return events


def guard_client(url: str, found: Settings) -> GuardClient:
    """A guard behind an address, as the worker asks it."""
    wanted = found.guard
    return GuardClient(
        url, token=wanted.token, deadline_s=wanted.deadline_ms / 1000, on_error=wanted.on_error, timer=perf_counter
    )


TRACES = """SELECT record::text AS record FROM v_traces
    WHERE (CAST(:since AS timestamptz) IS NULL OR time >= :since)
        AND (CAST(:until AS timestamptz) IS NULL OR time < :until)
        AND (CAST(:build AS text) IS NULL OR build = :build)
    ORDER BY time DESC, tenant, id LIMIT :limit"""


def backtest(path: Path, *, where: Mapping[str, object], limit: int, examples: int) -> Report:
    """What a policy would have done to the newest stored traces; ``where`` has since, until and build, or None."""
    found = settings()
    engine_ = guard(found, [path], lambda _event: None)
    database = engine(found)
    reader = PostgresReader(database)
    labels = {(row["tenant"], row["id"]): row["bad"] for row in reader.rows("SELECT * FROM v_labels", {})}
    decoder = msgspec.json.Decoder(Trace)
    traces = (decoder.decode(row["record"]) for row in reader.rows(TRACES, {**where, "limit": limit}))
    try:
        return judged_again(
            engine_.default.policy,
            partial(engine_.judge, None),
            traces,
            labels=labels,
            examples=examples,
            timer=perf_counter,
        )
    finally:
        engine_.close()
        database.dispose()
