import pytest

from monitor.inference.build import build_minilm
from monitor.inference.encoder import Encoder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(build_minilm(tmp_path_factory.mktemp("models") / "all-MiniLM-L6-v2"))
