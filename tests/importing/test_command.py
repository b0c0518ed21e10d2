from __future__ import annotations

import gzip
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from monitor.cli.import_ import import_command
from tests.conftest import Broker
from tests.importing.conftest import Receiver
from tests.kafka import support

CSV = 'query,answer,model,tokens,month\n"a, ""b""\nc",yes,bot,4,march\nd,no,bot,x,march\ne,so,bot,6,june\n'
MAPS = ["--map", "auto", "--map", "output_tokens=tokens", "--start", "2025-03-01T00:00:00Z"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "chats.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode()))
    return path


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(import_command, [str(argument) for argument in arguments])


def test_help_answers_with_examples() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert "driftwarden import chats.csv --dry-run" in result.output


def test_good_rows_are_published_and_bad_ones_written_down(file: Path, tmp_path: Path, receiver: Receiver) -> None:
    errors = tmp_path / "errors.jsonl"
    result = call(file, *MAPS, "--to", "http", "--url", receiver.url, "--errors", errors)
    assert result.exit_code == 1
    assert [trace["input_messages"][0]["parts"][0]["content"] for trace in receiver.traces] == ['a, "b"\nc', "e"]
    assert [trace["time"] for trace in receiver.traces] == ["2025-03-01T00:00:00Z", "2025-03-01T00:00:02Z"]
    (line,) = [msgspec.json.decode(line) for line in errors.read_bytes().splitlines()]
    assert (line["row"], line["values"]["query"]) == (2, "d")
    assert line["error"] == "usage.output_tokens from tokens: expected a whole number, got 'x'"
    assert "2 traces published in" in result.output
    assert "1 row failed." in result.output
    assert "The sidecar stored 2, had 0 already, rejected 0." in result.output
    assert "mapping: usage.output_tokens = tokens, prompt = query, response = answer" in result.output


def test_records_go_to_the_topic_of_the_settings_keyed_by_id(
    file: Path, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = support.prepared(kafka)
    monkeypatch.setenv("DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setenv("DRIFTWARDEN_KAFKA__TOPIC", config.topic)
    result = call(file, "--map", "auto", "--set", "tenant=acme", "--map", "id=@row")
    found = support.read_all(config, config.topic, 3)
    assert result.exit_code == 0, result.output
    assert [message.key for message in found] == [b"1", b"2", b"3"]
    assert [msgspec.json.decode(message.value)["segment"] for message in found] == [{"tenant": "acme"}] * 3
    assert dict(found[0].headers) == {"content-type": b"application/json", "schema-version": b"1.0"}


def test_importing_twice_sends_the_same_records(file: Path, receiver: Receiver) -> None:
    arguments = [file, *MAPS, "--where", "month=june", "--set", "build=june", "--to", "http", "--url", receiver.url]
    codes = [call(*arguments).exit_code for _ in range(2)]
    assert codes == [0, 0]
    assert len(receiver.bodies) == 2
    assert receiver.bodies[0] == receiver.bodies[1]
    assert receiver.traces[0]["model"] == {"name": "bot", "version": "june"}


def test_a_dry_run_prints_records_and_needs_no_server(file: Path) -> None:
    result = call(file, "--dry-run", "--limit", "1")
    assert result.exit_code == 0
    assert msgspec.json.decode(result.stdout)["model"] == {"name": "bot"}


def test_rows_without_times_end_now(file: Path, receiver: Receiver) -> None:
    result = call(file, "--interval", "60", "--to", "http", "--url", receiver.url)
    times = [datetime.fromisoformat(trace["time"]) for trace in receiver.traces]
    assert result.exit_code == 0
    assert [(b - a).total_seconds() for a, b in pairwise(times)] == [60.0, 60.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "prompt=querry", "--map", "auto"], "no column 'querry'; did you mean query?"),
        (["--where", "mnth=june"], "no column 'mnth'; did you mean month?"),
        (["--timezone", "Mars/Base"], "no time zone 'Mars/Base'"),
        (["--start", "2025-03-01"], "'2025-03-01' names no time zone"),
        (["--join", "file"], "expected FILE:KEY"),
        (["--set", "model"], "expected TARGET=VALUE"),
        (["--map", "prompt=query"], "no column for response: say --map response=COLUMN"),
    ],
)
def test_a_wrong_option_is_answered_before_anything_is_sent(file: Path, arguments: list[str], message: str) -> None:
    result = call(file, *arguments, "--to", "http", "--url", "http://127.0.0.1:9")
    assert result.exit_code in (1, 2)
    assert message in result.output
