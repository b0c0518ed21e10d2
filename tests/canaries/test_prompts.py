import pytest

from monitor.canaries.prompts import read
from monitor.errors import Permanent
from monitor.model.canary import Turn


def test_a_text_is_a_prompt_a_line() -> None:
    first, second = read("How long?\n\n  Where to? \n")
    assert (first.messages, second.messages) == ((Turn("user", "How long?"),), (Turn("user", "Where to?"),))
    assert first.name == first.digest[:8] != second.name


def test_lines_of_json_say_what_is_right() -> None:
    (found,) = read(
        '{"prompt": "How long?", "name": "refunds", "system": "Be kind.", "expected": "Five days.", "context": ["P."],'
        ' "max_tokens": 8}'
    )
    assert found.messages == (Turn("system", "Be kind."), Turn("user", "How long?"))
    assert (found.name, found.expected, found.context, found.max_tokens) == ("refunds", ("Five days.",), ("P.",), 8)
    (same,) = read('{"messages": [{"role": "user", "content": "How long?"}], "expected": ["5.", "Five."]}')
    assert (same.prompt, same.expected) == ("How long?", ("5.", "Five."))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"prompt": "a"}\n{"promt": "b"}', "line 2: Object contains unknown field `promt`"),
        ('{"prompt": "a"}\nb', "line 2: JSON is malformed"),
        ('{"name": "a"}', "line 1: expected one of prompt and messages"),
        ('{"prompt": " "}', "line 1: expected a prompt, got nothing"),
        ('{"messages": []}', "line 1: expected a prompt, got nothing"),
        ('{"prompt": "a\\u0000"}', "line 1: expected text without NUL characters"),
        ('{"prompt": "a", "max_tokens": 0}', "line 1: Expected `int` >= 1"),
        ('{"prompt": "' + "a" * 32_001 + '"}', "line 1: expected at most 32000 characters, got 32001"),
        ('{"prompt": "a", "name": "x"}\n{"prompt": "b", "name": "x"}', "expected names that differ, got 'x' twice"),
        ("same\nsame", "expected names that differ"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Permanent) as error:
        read(text)
    assert str(error.value).startswith(reason)
