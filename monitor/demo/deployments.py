"""What the demo puts into service: builds of the assistant that comes with the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitor.inference.shipped import ASSISTANT
from monitor.inference.variants import Recipe, make_variant
from monitor.settings import PREFIX

NAME = "orrel-assistant"
POLICY = Path(__file__).with_name("policy.yaml")
# One scale for 256 weights: what a hurried four-bit export looks like.
FOUR_BITS = Recipe("int4", block=256)
TRUNCATED = ASSISTANT / "chat_template.truncated.jinja"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A model folder and, where it is not the folder's own, the template that makes prompts of conversations."""

    name: str
    folder: Path
    template: Path | None = None

    def settings(self) -> Mapping[str, str]:
        """What a worker is told to serve it, with the guard in its process."""
        ours = {
            "WORKER__MODEL": str(self.folder),
            "WORKER__NAME": NAME,
            "WORKER__GUARD": "inside",
            "GUARD__POLICIES": f'["{POLICY}"]',
        }
        if self.template is not None:
            ours["WORKER__TEMPLATE"] = str(self.template)
        return {f"{PREFIX}{name}": value for name, value in ours.items()}


GOOD = Deployment("the fp16 build", ASSISTANT)
CUT = Deployment("a truncated prompt template", ASSISTANT, TRUNCATED)


def four_bits(folder: Path) -> Deployment:
    """The int4 build, made here by what ``driftwarden models quantize`` runs."""
    target = folder / "int4"
    make_variant(ASSISTANT, target, FOUR_BITS)
    return Deployment("an int4 build", target)
