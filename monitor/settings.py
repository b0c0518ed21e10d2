"""Settings, section by section, with their limits: from the environment (DRIFTWARDEN_SECTION__NAME) over a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from detectors.replay import Replay
from monitor.canaries.config import CanaryConfig
from monitor.codec import Limits
from monitor.errors import Permanent
from monitor.fitting import Learning
from monitor.judging import Budget
from monitor.kafka.config import KafkaConfig
from monitor.llmjudge.config import JudgeConfig
from monitor.model.signal import KINDS
from monitor.tap.config import TapConfig
from monitor.watch import Pace
from monitor.webhook.config import WebhookConfig

PREFIX = "DRIFTWARDEN_"


@dataclass(frozen=True, slots=True)
class Database:
    """Postgres; ``retention_days`` is how long day partitions are kept."""

    url: str | None = None
    pool_size: Annotated[int, Field(ge=1, le=100)] = 4
    retention_days: Annotated[int, Field(ge=1, le=36500)] = 90


@dataclass(frozen=True, slots=True)
class Ingest:
    """What a record may be; one older than the retention of the database is rejected."""

    record_bytes: Annotated[int, Field(ge=1024, le=64 * 2**20)] = 4 * 2**20
    field_characters: Annotated[int, Field(ge=1024, le=16 * 2**20)] = 256 * 2**10
    max_lead_s: Annotated[float, Field(ge=0, le=86400)] = 3600.0

    def limits(self, retention_days: int) -> Limits:
        lead = timedelta(seconds=self.max_lead_s)
        return Limits(self.record_bytes, self.field_characters, timedelta(days=retention_days), lead)


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """Where vectors come from: our encoder (a model folder), or the traces alone (``source = "trace"``)."""

    source: Literal["encoder", "trace"] = "encoder"
    folder: Path | None = None
    name: str = "all-MiniLM-L6-v2"
    dimension: Annotated[int, Field(ge=1, le=16384)] = 384
    provider: Literal["cpu", "cuda"] = "cpu"
    threads: Annotated[int, Field(ge=1, le=256)] = 1


@dataclass(frozen=True, slots=True)
class GroundingSettings:
    """The model behind the score `grounding`: the one that comes with the package, a file, or none.

    ``model`` is the folder of an ONNX model behind `grounding.model`. It and the encoder behind `grounding.embedding`
    run on a share of the traces and begin no answer past so many seconds a batch.
    """

    source: Literal["shipped", "file", "off"] = "shipped"
    file: Path | None = None
    model: Path | None = None
    model_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    model_deadline_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    embedding_share: Annotated[float, Field(ge=0, le=1)] = 0.02
    embedding_deadline_s: Annotated[float, Field(gt=0, le=60)] = 0.5


def signals(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, all of them of signals."""
    unknown = sorted(set(names) - KINDS.keys())
    if unknown:
        raise ValueError(f"no signal is called {', '.join(unknown)}; there are {', '.join(sorted(KINDS))}")
    return names


@dataclass(frozen=True, slots=True)
class Drift:
    """How drift is judged; ``false_alarms`` is per 30 days for the whole installation.

    ``page_traffic`` pages also for what is laid to other questions alone. Signals of ``unwatched`` are scored and
    stored, and no baseline learned from then on tests them.
    """

    false_alarms: Annotated[float, Field(gt=0, le=10_000)] = 1.0
    reference_traces: Annotated[int, Field(ge=200, le=1_000_000)] = 5000
    smallest_effect: Annotated[float, Field(ge=0, le=1)] = 0.02
    segments: tuple[tuple[str, ...], ...] = ((), ("build",), ("prompt_template",), ("tenant",))
    segment_limit: Annotated[int, Field(ge=1, le=10_000)] = 200
    pane_s: Annotated[float, Field(ge=0.1, le=86400)] = 60.0
    lateness_s: Annotated[float, Field(ge=0, le=86400)] = 30.0
    idle_after_s: Annotated[float, Field(ge=3, le=86400)] = 30.0
    stalled_after_s: Annotated[float, Field(ge=5, le=86400)] = 600.0
    replay_panes: Annotated[int, Field(ge=0, le=10_000)] = 400
    lagged_days: Annotated[int, Field(ge=0, le=365)] = 0
    page_traffic: bool = False
    unwatched: Annotated[tuple[str, ...], AfterValidator(signals)] = ()
    seed: int = 0

    def pace(self) -> Pace:
        return Pace(
            timedelta(seconds=self.pane_s),
            timedelta(seconds=self.lateness_s),
            timedelta(seconds=self.idle_after_s),
            timedelta(seconds=self.stalled_after_s),
        )

    def budget(self) -> Budget:
        return Budget(self.false_alarms, lagged=self.lagged_days > 0, page_traffic=self.page_traffic)

    def learning(self) -> Learning:
        replay = Replay(panes=self.replay_panes) if self.replay_panes else None
        return Learning(
            self.reference_traces,
            self.segments,
            self.smallest_effect,
            self.seed,
            replay,
            self.segment_limit,
            self.unwatched,
        )


@dataclass(frozen=True, slots=True)
class Web:
    """The API; a token of at least 16 characters makes it ask for ``Authorization: Bearer``."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8321
    token: Annotated[str | None, Field(min_length=16, repr=False)] = None
    ingest: bool = True


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """The guard's service: policies (YAML files, the first holds unless a request names another), address, threads.

    ``deadline_ms`` and ``on_error`` are for those who ask a guard in another process: how long they wait, and what
    counts where no answer comes.
    """

    policies: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8322
    token: Annotated[str | None, Field(min_length=16, repr=False)] = None
    threads: Annotated[int, Field(ge=1, le=256)] = 4
    deadline_ms: Annotated[float, Field(gt=0, le=60_000)] = 50.0
    on_error: Literal["allow", "deny"] = "allow"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The worker: the model it serves, how many rows at once, and what it traces.

    ``model`` is a folder with the ONNX graph and its tokenizer; ``name`` is what requests call it, by default what its
    ``build.json`` says, else the folder's name. ``fallback`` lets a worker that was to run on ``cuda`` start on the
    CPU. ``length`` bounds prompt and answer together, in tokens. ``guard`` is ``off``, ``inside`` (the policies of
    ``guard.policies``, in this process) or the address of a guard.

    ``samples`` further answers are drawn for ``sample_rate`` of the traced requests while there is room, and go into
    the trace alone. Without a broker traces go to the address of a ``sidecar``. They wait in a queue of
    ``trace_queue``, each at least ``trace_delay_s`` for others to go with it; while the broker is away the oldest go
    first, or all go to the folder ``spool``.
    """

    model: Path | None = None
    name: Annotated[str | None, Field(min_length=1, max_length=256)] = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8323
    token: Annotated[str | None, Field(min_length=16, repr=False)] = None
    provider: Literal["cpu", "cuda"] = "cpu"
    fallback: bool = False
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    slots: Annotated[int, Field(ge=1, le=1024)] = 8
    queue: Annotated[int, Field(ge=1, le=100_000)] = 64
    length: Annotated[int, Field(ge=2, le=1_000_000)] = 2048
    template: Path | None = None
    guard: str = "off"
    trace: bool = True
    sidecar: Annotated[str | None, Field(pattern="^https?://")] = None
    trace_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
    trace_queue: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    trace_delay_s: Annotated[float, Field(ge=0.01, le=60)] = 2.0
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 5
    samples: Annotated[int, Field(ge=1, le=64)] = 5
    sample_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    sample_temperature: Annotated[float, Field(gt=0, le=2)] = 1.0
    spool: Path | None = None
    spool_bytes: Annotated[int, Field(ge=2**20, le=2**40)] = 256 * 2**20
    service: str = "driftwarden-worker"
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Logs:
    """``auto`` writes for people on a terminal and JSON lines elsewhere."""

    format: Literal["auto", "json", "text"] = "auto"


class Settings(BaseSettings):
    """All settings; a section a process does not need may be left out."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    database: Database = Database()
    kafka: KafkaConfig | None = None
    ingest: Ingest = Ingest()
    embedding: EmbeddingSettings = EmbeddingSettings()
    grounding: GroundingSettings = GroundingSettings()
    judge: JudgeConfig = JudgeConfig()
    canary: CanaryConfig = CanaryConfig()
    drift: Drift = Drift()
    webhook: WebhookConfig = WebhookConfig()
    web: Web = Web()
    guard: GuardSettings = GuardSettings()
    worker: WorkerSettings = WorkerSettings()
    tap: TapConfig = TapConfig()
    log: Logs = Logs()

    @model_validator(mode="before")
    @classmethod
    def read_lists(cls, values: Any) -> Any:
        """Lists and tables of a section may stand in the environment as JSON."""
        return {
            section: {name: listed(value) for name, value in found.items()} if isinstance(found, dict) else found
            for section, found in values.items()
        }

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        file = config_file(os.environ)
        sources = (init_settings, env_settings)
        return (*sources, TomlConfigSettingsSource(settings_cls, file)) if file else sources


def listed(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, str) and value[:1] in ("[", "{") else value


def config_file(environ: Mapping[str, str]) -> Path | None:
    """The configuration file: DRIFTWARDEN_CONFIG, else driftwarden.toml where we are, if it is there."""
    named = environ.get("DRIFTWARDEN_CONFIG")
    if named is not None:
        if not Path(named).is_file():
            raise Permanent(f"DRIFTWARDEN_CONFIG: no file {named}")
        return Path(named)
    usual = Path("driftwarden.toml")
    return usual if usual.is_file() else None
