"""Personal data, by Presidio (https://microsoft.github.io/presidio), an optional extra: ``driftwarden[pii]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detectors.score import Score, ok
from monitor.errors import Permanent
from monitor.guard.policy import ByPersonalData


@dataclass(frozen=True, slots=True)
class PersonalData:
    """Presidio's confidence in what it is surest of, and all places it found."""

    analyzer: Any
    entities: tuple[str, ...]
    language: str

    @classmethod
    def load(cls, check: ByPersonalData) -> PersonalData:
        """The analyzer with its models. Raises Permanent where the extra, the model or an entity is not there."""
        try:
            from presidio_analyzer import AnalyzerEngine  # noqa: PLC0415 - takes a second, and is an extra
        except ImportError as error:
            raise Permanent("rules on pii need Presidio: pip install 'driftwarden[pii]'") from error
        engine = nlp_engine(check.language, check.model)
        analyzer = AnalyzerEngine(
            registry=registry(check.language), nlp_engine=engine, supported_languages=[check.language]
        )
        known = set(analyzer.get_supported_entities(check.language))
        if check.model is None:
            known -= {"PERSON", "LOCATION", "NRP", "DATE_TIME", "ORGANIZATION"}
        unknown = sorted(set(check.entities) - known)
        if unknown:
            hint = "" if check.model else " (names of people and places need a spaCy model: `model: en_core_web_sm`)"
            raise Permanent(f"entities: expected some of {', '.join(sorted(known))}, got {', '.join(unknown)}{hint}")
        return cls(analyzer, check.entities, check.language)

    def __call__(self, text: str) -> Score:
        found = self.analyzer.analyze(text, language=self.language, entities=list(self.entities))
        if not found:
            return ok(0.0)
        spans = sorted({(each.start, each.end) for each in found})
        return ok(min(max(each.score for each in found), 1.0), tuple(spans))


def nlp_engine(language: str, model: str | None) -> Any:
    """spaCy with a model that is installed; without one, words alone, for the context that Presidio looks at."""
    import spacy  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: PLC0415

    try:
        pipeline = spacy.blank(language) if model is None else spacy.load(model)
    except (ImportError, OSError) as error:
        raise Permanent(f"pii: spaCy has no model {model or language!r}: python -m spacy download NAME") from error
    engine: Any = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model or "blank"}])
    engine.nlp = {language: pipeline}
    return engine


def registry(language: str) -> Any:
    """Presidio's recognizers; the one for e-mail without its look at the network."""
    import tldextract  # noqa: PLC0415
    from presidio_analyzer import RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.predefined_recognizers import EmailRecognizer  # noqa: PLC0415

    # tldextract would fetch the public suffix list at the first address; its own copy does.
    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmail(EmailRecognizer):  # Presidio is extended by inheritance
        def validate_result(self, pattern_text: str) -> bool:
            return suffixes(pattern_text).fqdn != ""

    made = RecognizerRegistry(supported_languages=[language])
    made.load_predefined_recognizers(languages=[language])
    made.remove_recognizer("EmailRecognizer")
    made.add_recognizer(OfflineEmail(supported_language=language))
    return made
