import msgspec
import pytest

from monitor.model.deployment import deployment_of
from monitor.model.trace import Adapter, Cache, Engine, Labels, Model, PromptTemplate, Service, Trace
from tests.stores import decoded, line

PLAIN = decoded([line(1)])[0].trace


def changed(**fields: object) -> Trace:
    return msgspec.structs.replace(PLAIN, **fields)


def model(**fields: object) -> Trace:
    return changed(model=msgspec.structs.replace(PLAIN.model, **fields))


def test_a_trace_that_tells_nothing_has_a_value_of_every_label() -> None:
    found = deployment_of(changed(segment=Labels()))

    assert found == {
        "tenant": "", "adapter": "", "prompt_template": "", "model": "bot", "build": found["build"],
        "cache": "", "engine": "", "service": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("label", "trace", "value"),
    [
        ("tenant", changed(segment=Labels(tenant="zeta")), "zeta"),
        ("adapter", model(adapter=Adapter("sql", "4")), "sql@4"),
        ("prompt_template", changed(prompt_template=PromptTemplate("qa", "3")), "qa@3"),
        ("prompt_template", changed(prompt_template=PromptTemplate(hash="0123456789abcdef")), "0123456789ab"),
        ("cache", changed(cache=Cache(hit=True, kind="semantic")), "semantic"),
        ("cache", changed(cache=Cache(hit=True)), "hit"),
        ("engine", model(engine=Engine("vllm", "0.9", "cuda")), "vllm@0.9 on cuda"),
        ("service", changed(service=Service("app", "7")), "app@7"),
    ],
)
def test_each_label_changes_by_itself(label: str, trace: Trace, value: str) -> None:
    before, after = deployment_of(PLAIN), deployment_of(trace)

    assert {name: after[name] for name in after if after[name] != before[name]} == {label: value}


def test_a_cache_that_did_not_answer_is_as_good_as_none() -> None:
    assert deployment_of(changed(cache=Cache(hit=False, kind="semantic"))) == deployment_of(PLAIN)


def test_another_precision_is_another_build_of_the_same_model() -> None:
    before, after = deployment_of(PLAIN), deployment_of(model(precision="int4"))

    assert {name for name in after if after[name] != before[name]} == {"build"}
    assert after["build"].startswith("bot:int4-")


def test_a_build_whose_pruning_is_a_mapping_has_a_name() -> None:
    assert deployment_of(model(pruning={"heads": [1]}))["build"] != deployment_of(PLAIN)["build"]


def test_a_model_of_another_name_is_another_build_too() -> None:
    before, after = deployment_of(PLAIN), deployment_of(changed(model=Model(name="bot2", version="1")))

    assert {name for name in after if after[name] != before[name]} == {"model", "build"}
