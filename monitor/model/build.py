"""The build: the deployment that answered, by a name that two of them never share."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from monitor.model.trace import Model, PromptTemplate, Trace


def build_of(trace: Trace) -> str:
    """The deployment that answered, as ``name:precision-hash``: what builds are compared by.

    The hash covers name, revision, version, precision, quantization, adapter and prompt template.
    """
    try:
        return cached_build(trace.model, trace.prompt_template)
    except TypeError:  # a producer's ``pruning`` may be of any shape, and not hashable
        return build_name(trace.model, trace.prompt_template)


def build_name(model: Model, template: PromptTemplate | None) -> str:
    identity = (
        model.name, model.revision, model.version, model.precision, model.quantization, model.adapter,
        model.pruning, model.distilled_from, template,
    )  # fmt: skip
    digest = hashlib.blake2b(repr(identity).encode("utf-8", "surrogatepass"), digest_size=3).hexdigest()
    return f"{model.name}:{model.precision}-{digest}" if model.precision else f"{model.name}:{digest}"


# Few builds answer many traces.
cached_build = lru_cache(maxsize=1024)(build_name)
