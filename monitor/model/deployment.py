"""The deployment labels of a trace: what an operator may have changed when answers change."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from detectors.cause import Label
from monitor.model.build import build_name
from monitor.model.trace import Cache, Engine, Model, PromptTemplate, Service, Trace


def deployment_of(trace: Trace) -> dict[Label, str]:
    """The value of every label; empty where the trace has none, and for a cache that did not answer.

    ``build`` is here without adapter and template, which have labels of their own: each label changes by itself.
    """
    try:
        build = cached_core(trace.model)
    except TypeError:  # a producer's ``pruning`` may be of any shape, and not hashable
        build = core(trace.model)
    adapter = trace.model.adapter
    return {
        "tenant": trace.tenant,
        "adapter": versioned(adapter.name, adapter.version) if adapter is not None else "",
        "prompt_template": template_name(trace.prompt_template),
        "model": trace.model.name,
        "build": build,
        "cache": cache_kind(trace.cache),
        "engine": engine_name(trace.model.engine),
        "service": service_name(trace.service),
    }


def core(model: Model) -> str:
    """The build's name without what has a label of its own."""
    return build_name(msgspec.structs.replace(model, adapter=None), None)


cached_core = lru_cache(maxsize=1024)(core)


def versioned(name: str | None, version: str | None) -> str:
    """
    >>> versioned("support", "3"), versioned("support", None), versioned(None, None)
    ('support@3', 'support', '')
    """
    return "@".join(part for part in (name, version) if part)


def template_name(template: PromptTemplate | None) -> str:
    """Name and version; one that has neither goes by its hash."""
    if template is None:
        return ""
    return versioned(template.name, template.version) or (template.hash or "")[:12]


def cache_kind(cache: Cache | None) -> str:
    """What answered instead of the model, if anything did."""
    return (cache.kind or "hit") if cache is not None and cache.hit else ""


def engine_name(engine: Engine | None) -> str:
    if engine is None:
        return ""
    return " on ".join(part for part in (versioned(engine.name, engine.version), engine.execution_provider) if part)


def service_name(service: Service) -> str:
    return versioned(service.name, service.version)
