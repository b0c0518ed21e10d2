from importlib import resources
from pathlib import Path

import pytest

from monitor.errors import Permanent
from monitor.guard.policy import ByScore, hash_of
from monitor.guard.reading import parse, read_policies, read_policy, wants_certificates
from monitor.model.feedback import Certificate

HEAD = "version: 1\nname: p\nrules:\n"
GOOD = "  - {name: a, stage: output, when: {check: score, score: grounding, threshold: 0.5}, then: abstain}\n"
CERTIFICATES = {
    3: Certificate("grounding", "missed", 0.1, None, 0.61, 400, 80, 0.4),
    7: Certificate("grounding", "missed", 0.1, None, 0.66, 500, 90, 0.4),
    8: Certificate("hedging", "missed", 0.1, None, 0.2, 500, 90, 0.4),
}


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(Permanent) as caught:
        read_policy(file)
    return str(caught.value).replace(str(file), "FILE")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\nname: [p", "policy FILE: not YAML:"),
        ("version: 1\nname: p\n", "policy FILE: object missing required field `rules`"),
        ("version: 2\nname: p\nrules: []\n", "policy FILE: version: invalid enum value 2, got 2"),
        (HEAD + GOOD.replace("0.5", "1.5"), "policy FILE: rules[0].when.threshold: expected `float` <= 1.0, got 1.5"),
        (HEAD + GOOD.replace("0.5", "0"), "policy FILE: rules[0].when.threshold: expected `float` > 0.0, got 0"),
        (HEAD + GOOD.replace("0.5", "high"), "rules[0].when.threshold: expected `float | null`, got `str`, got 'high'"),
        (HEAD + GOOD.replace("threshold", "thresh"), "rules[0].when: object contains unknown field `thresh`"),
        (HEAD + GOOD.replace("abstain", "explode"), "rules[0].then: invalid enum value 'explode', got 'explode'"),
        (HEAD + GOOD.replace("check: score", "check: vibes"), "rules[0].when.check: invalid value 'vibes'"),
        ("deadline_ms: -1\n" + HEAD + GOOD, "policy FILE: deadline_ms: expected `float` > 0.0, got -1"),
        (HEAD + GOOD + GOOD, "rules: expected names that differ, got 'a' 2 times"),
        (HEAD + GOOD.replace("grounding", "groundness"), "rule a: when.score: expected one of abstention, hedging"),
        (HEAD + GOOD.replace("grounding", "quality.bleu"), "rule a: when.score: quality.bleu is read from"),
        (HEAD + GOOD.replace("output", "input"), "rule a: when.score: expected one of retrieval.top_score"),
        (HEAD + GOOD.replace(", threshold: 0.5", ""), "rule a: when: expected one of threshold and certificate"),
        (HEAD + GOOD.replace("threshold: 0.5", "certificate: 3"), "certificate needs the database"),
        (HEAD + "  - {name: b, stage: input, when: {check: secrets, reads: output}, then: deny}\n",
         "rule b: reads: expected prompt, messages or context at stage input, got 'output'"),
        (HEAD + "  - {name: b, stage: input, when: {check: classifier, folder: nowhere, label: BAD}, then: deny}\n",
         "rule b: when.folder: expected a folder, got 'nowhere'"),
        (HEAD + "  - {name: b, stage: input, when: {check: secrets}, then: warn, mode: enforce}\n",
         "rule b: then: expected abstain or deny in mode enforce, got 'warn'"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_with_name_value_and_limit(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = HEAD + GOOD.replace("grounding", "x") + GOOD.replace("name: a", "name: b").replace("output", "input")
    assert len(refusal(tmp_path, text).splitlines()) == 2


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="No such file"):
        read_policy(tmp_path / "none.yaml")


def test_two_policies_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(HEAD + GOOD)
    with pytest.raises(Permanent, match="expected names that differ, got 'p' 2 times"):
        read_policies([tmp_path / "one.yaml", tmp_path / "two.yaml"])


@pytest.mark.parametrize(("named", "threshold"), [("3", 0.61), ("missed 0.1", 0.66)])
def test_a_threshold_comes_from_its_certificate(tmp_path: Path, named: str, threshold: float) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(HEAD + GOOD.replace("threshold: 0.5", f"certificate: {named}"))
    check = read_policy(file, CERTIFICATES).rules[0].when
    assert wants_certificates(file)
    assert isinstance(check, ByScore)
    assert check.threshold == threshold


@pytest.mark.parametrize("named", ["8", "99", "clean 0.9", "sometimes"])
def test_a_certificate_that_is_not_kept_of_the_score_is_refused(tmp_path: Path, named: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(HEAD + GOOD.replace("threshold: 0.5", f"certificate: {named}"))
    with pytest.raises(Permanent, match=r"when.certificate: one of 3 \(missed 0.1\); 7 \(missed 0.1\), got"):
        read_policy(file, CERTIFICATES)


def test_the_hash_is_of_the_rules_not_of_their_spelling() -> None:
    other = HEAD + GOOD.replace("{name: a, stage: output,", "{stage: output, name: a, mode: shadow,")
    changed = HEAD + GOOD.replace("0.5", "0.6")
    first = hash_of(parse((HEAD + GOOD).encode(), "a"))
    assert first == hash_of(parse(("# a word\n" + other).encode(), "b"))
    assert first != hash_of(parse(changed.encode(), "c"))


def test_the_example_is_a_policy_and_so_is_what_it_leaves_out(tmp_path: Path) -> None:
    text = (resources.files("monitor.guard") / "example.yaml").read_text()
    (tmp_path / "example.yaml").write_text(text)
    (tmp_path / "injection-classifier").mkdir()
    head, rules = text.split("rules:\n")
    whole = "\n".join(
        line.replace("  # ", "  ", 1) if line.startswith(("  # - ", "  #   ")) else line for line in rules.splitlines()
    )
    (tmp_path / "whole.yaml").write_text(f"{head}rules:\n{whole}\n")
    assert [rule.name for rule in read_policy(tmp_path / "example.yaml").rules][:3] == [
        "prompt-size", "injection", "injection-in-passages",
    ]  # fmt: skip
    assert {"off-topic", "injection-by-model", "personal-data"} <= {
        rule.name for rule in read_policy(tmp_path / "whole.yaml").rules
    }
