"""A run of the benchmark is a run of the product."""

from benchmarks.deployments.__main__ import blamed, right
from benchmarks.deployments.changes import CHANGES
from benchmarks.deployments.site import Size, run

SIZE = Size(reference=600, per_pane=40, quiet=4, panes=20)


def test_a_template_version_that_changes_all_answers_is_named() -> None:
    found = run("template version", CHANGES["template version"][0], 3_002, size=SIZE)

    assert found.expected == ("prompt_template", "help@8")
    assert not found.early
    assert found.traces is not None
    assert found.traces <= 600
    assert right(found, found.settled)
    assert blamed(found.settled)
    assert " on prompt template help@8 since " in found.summary
