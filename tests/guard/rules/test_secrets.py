import time

import pytest

from monitor.guard.rules.secrets import Secrets, merged

SECRETS = Secrets.load()
# Made up, in the form of each maker.
KEYS = {
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_" + "a1B2" * 9,
    "github fine-grained": "github_pat_" + "a" * 22 + "_" + "b" * 59,
    "slack": "xoxb-123456789012-123456789012-" + "a" * 24,
    "stripe": "sk_live_" + "a1" * 12,
    "openai": "sk-" + "a" * 20 + "T3BlbkFJ" + "b" * 20,
    "openai project": "sk-proj-" + "a1B2" * 20,
    "anthropic": "sk-ant-api03-" + "a1B2" * 20,
    "google": "AIza" + "a" * 35,
    "hugging face": "hf_" + "a" * 34,
    "npm": "npm_" + "a" * 36,
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "password in an address": "https://user:hunter2@example.com",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9",
}


@pytest.mark.parametrize("kind", list(KEYS))
def test_a_key_is_found_where_it_stands(kind: str) -> None:
    text = f"Why does {KEYS[kind]} not work?"
    score = SECRETS(text)
    assert score.value == 1.0
    (start, end) = score.spans[0]
    assert text[start:end] in text[9 : 9 + len(KEYS[kind])]
    assert end - start >= 6


def test_prose_numbers_hashes_and_code_are_no_secrets() -> None:
    text = (
        "Order 4711-0815 of 2026-05-01 costs 12.50. commit 6e2083a3f1c2b7d9e8f0a1b2c3d4e5f6a7b8c9d0,"
        " uuid 123e4567-e89b-12d3-a456-426614174000, see https://example.com/a?b=c. password: ask your admin."
        " def f(key): return table[key]"
    )
    assert SECRETS(text).value == 0.0


def test_overlapping_spans_are_one() -> None:
    assert list(merged([(0, 3), (2, 9), (9, 12), (20, 21)])) == [(0, 12), (20, 21)]


@pytest.mark.parametrize(
    "unit", ["a", "/", "1", "http://", "key = ", "a:b@", "eyJ", "eyJ.", "-----BEGIN ", "sk-", "AKIA", "xoxb-", "a1B2-"]
)
def test_the_cost_grows_with_the_length_alone(unit: str) -> None:
    def cost(length: int) -> float:
        text = (unit * length)[:length]
        spent = []
        for _ in range(3):
            began = time.process_time()
            SECRETS(text)
            spent.append(time.process_time() - began)
        return min(spent)

    assert cost(40_000) < 10 * cost(10_000) + 0.01
