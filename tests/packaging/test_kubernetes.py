"""The Helm chart and the sidecar example."""

import json
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from monitor.settings import Settings
from monitor.wiring import ROLES

GIVEN = {
    "settings": {
        "kafka": {"bootstrap_servers": "kafka-0:9092,kafka-1:9092"},
        "drift": {"false_alarms": 0.5, "reference_traces": 1_000_000, "segments": [[], ["build"]]},
        "web": {"port": 8400, "ingest": False},
        "guard": {"policies": ["/policies/support.yaml"]},
        "worker": {"model": "/models/support"},
        "tap": {"upstream": "http://vllm:8000"},
        "canary": {"url": "http://site-driftwarden-worker:8323/v1"},
    },
    "secret": {
        "values": {
            "DRIFTWARDEN_DATABASE__URL": "postgresql://user:password@postgres/driftwarden",
            "DRIFTWARDEN_WEB__TOKEN": "0123456789abcdef",
        }
    },
    "roles": {
        "consume": {"autoscaling": {"enabled": True}},
        **{role: {"enabled": True} for role in ("guard", "worker", "tap", "canary")},
    },
    "serviceMonitor": {"enabled": True},
}


@pytest.fixture(scope="module")
def chart(root: Path) -> Path:
    return root / "deploy" / "helm" / "driftwarden"


@pytest.fixture(scope="module")
def values(chart: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((chart / "values.yaml").read_text())
    return parsed


@pytest.fixture(scope="module")
def schema(chart: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((chart / "values.schema.json").read_text())
    return parsed


@pytest.fixture(scope="module")
def sidecar(root: Path) -> dict[str, Any]:
    parsed: dict[str, Any] = yaml.safe_load((root / "deploy" / "sidecar.yaml").read_text())
    return parsed


@pytest.fixture(scope="module")
def rendered(chart: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The chart's objects by kind and name, as Helm renders them."""
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("`helm` is not on PATH; the tests of the values and of the templates' text still run")
    given = tmp_path_factory.mktemp("helm") / "values.yaml"
    given.write_text(yaml.safe_dump(GIVEN))
    command = [helm, "template", "site", chart, "--kube-version", "1.31.0", "-f", given]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    objects = [found for found in yaml.safe_load_all(done.stdout) if found]
    return {f"{found['kind']}/{found['metadata']['name']}": found for found in objects}


def test_the_chart_is_of_the_version_of_the_program(chart: Path, root: Path) -> None:
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    described = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert (described["name"], described["appVersion"]) == ("driftwarden", version)


def test_the_values_have_every_role_and_their_schema_takes_them(values: dict[str, Any], schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema)
    assert set(values["roles"]) == set(ROLES)


def test_the_schema_knows_the_sections_of_the_settings(schema: dict[str, Any]) -> None:
    assert set(schema["properties"]["settings"]["properties"]) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("image.digest", "sha256:abc"),
        ("roles.consume.replicas", -1),
        ("roles.judge.replica", 2),
        ("settings.web.token", "a secret among the settings"),
        ("settings.database.url", "postgresql://user:password@host/name"),
        ("settings.Drift", {}),
        ("settings.guard.policies", "one.yaml"),
        ("settings.guard.token", "a secret among the settings"),
        ("settings.worker.token", "a secret among the settings"),
        ("settings.tap.upstream_key", "a secret among the settings"),
        ("settings.judge.token", "a secret among the settings"),
        ("settings.canary.token", "a secret among the settings"),
        ("secret.values.DATABASE_URL", "postgresql://host/name"),
        ("service.port", 0),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], schema: dict[str, Any], path: str, wrong: object) -> None:
    changed = deepcopy(values)
    *parents, last = path.split(".")
    place = changed
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(changed, schema)


def test_every_pod_of_the_templates_comes_from_the_restricted_ones(chart: Path) -> None:
    """Without Helm: a template that has containers takes pod and container from the two definitions."""
    templates = {path.name: path.read_text() for path in (chart / "templates").glob("*.yaml")}
    with_pods = {name: text for name, text in templates.items() if "containers:" in text}
    shared = (chart / "templates" / "_helpers.tpl").read_text()
    assert set(with_pods) == {"roles.yaml", "migrate.yaml"}
    for text in with_pods.values():
        assert text.count("containers:") == text.count('include "driftwarden.pod"')
        assert text.count("containers:") == text.count('include "driftwarden.container"')
        assert "securityContext" not in text
    for line in (
        "enableServiceLinks: false",
        "automountServiceAccountToken: false",
        "readOnlyRootFilesystem: true",
        "allowPrivilegeEscalation: false",
        "drop: [ALL]",
        "type: RuntimeDefault",
    ):
        assert shared.count(line) == 1
    assert shared.count("runAsNonRoot: true") == 2


def pods(objects: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for found in objects.values():
        if found["kind"] in {"Deployment", "Job"}:
            yield found["spec"]["template"]["spec"]


def check_restricted(pod: Mapping[str, Any]) -> None:
    """What the Pod Security Standard `restricted` asks for, and a root that can't be written."""
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]


def test_every_rendered_pod_is_restricted(rendered: Mapping[str, Any]) -> None:
    found = list(pods(rendered))
    for pod in found:
        check_restricted(pod)
    assert [pod["containers"][0]["args"] for pod in found] == [*([role] for role in ROLES), ["migrate"]]


def test_the_program_reads_the_rendered_settings(
    rendered: Mapping[str, Any], settings_of: Callable[[Mapping[str, object]], Settings]
) -> None:
    plain, secret = rendered["ConfigMap/site-driftwarden"]["data"], rendered["Secret/site-driftwarden"]["stringData"]
    read = settings_of({**plain, **secret})
    assert read.kafka is not None
    assert read.kafka.bootstrap_servers == "kafka-0:9092,kafka-1:9092"
    assert read.drift.segments == ((), ("build",))
    assert (read.drift.false_alarms, read.drift.reference_traces) == (0.5, 1_000_000)
    assert (read.web.port, read.web.ingest, read.web.token) == (8400, False, "0123456789abcdef")
    assert (read.guard.port, read.guard.policies) == (8322, (Path("/policies/support.yaml"),))
    assert (read.worker.port, read.worker.model) == (8323, Path("/models/support"))
    assert (read.tap.port, read.tap.upstream) == (8324, "http://vllm:8000")
    assert rendered["ConfigMap/site-driftwarden-migrate"]["data"] == plain
    assert rendered["Secret/site-driftwarden-migrate"]["stringData"] == secret


def test_only_the_roles_that_answer_have_probes(rendered: Mapping[str, Any]) -> None:
    probed = {
        name: {kind: container[kind]["httpGet"]["path"] for kind in container if kind.endswith("Probe")}
        for name in ROLES
        for container in rendered[f"Deployment/site-driftwarden-{name}"]["spec"]["template"]["spec"]["containers"]
    }
    answering = {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}
    assert all(probed.pop(role) == answering for role in ("serve", "guard", "worker", "tap"))
    assert probed == {"consume": {}, "judge": {}, "notify": {}, "canary": {}}


def test_the_autoscaler_alone_counts_what_it_scales(rendered: Mapping[str, Any]) -> None:
    scaler = rendered["HorizontalPodAutoscaler/site-driftwarden-consume"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 6)
    assert "replicas" not in rendered["Deployment/site-driftwarden-consume"]["spec"]
    assert rendered["Deployment/site-driftwarden-serve"]["spec"]["replicas"] == 2


def test_the_sidecar_is_a_native_one_and_restricted(sidecar: dict[str, Any]) -> None:
    pod = sidecar["spec"]["template"]["spec"]
    migrate, driftwarden = pod["initContainers"]
    check_restricted(pod)
    assert (migrate["args"], migrate.get("restartPolicy")) == (["migrate"], None)
    assert (driftwarden["args"], driftwarden["restartPolicy"]) == (["serve"], "Always")
    assert driftwarden["startupProbe"]["httpGet"]["path"] == "/livez"
    assert {mount["name"] for mount in driftwarden["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}


def test_a_kubernetes_service_of_our_name_would_be_taken_for_a_setting(
    settings_of: Callable[[Mapping[str, object]], Settings],
) -> None:
    """Why service links are off in every pod."""
    with pytest.raises(Exception, match="unknown settings: DRIFTWARDEN_PORT"):
        settings_of({"DRIFTWARDEN_PORT": "tcp://10.0.0.1:8321"})
