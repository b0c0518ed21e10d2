"""What watching costs: processor time of each process, by the trace."""

from __future__ import annotations

import psutil

from monitor.demo import findings
from monitor.demo.janitor import members
from monitor.demo.stage import Stage

ROLES = ("consume", "judge", "notify", "serve")


def costs(stage: Stage, traces: int) -> list[dict[str, object]]:
    """Seconds of CPU of each role of the sidecar since its start, and how long the guard takes for an answer."""
    rows: list[dict[str, object]] = []
    for process in members(stage.sidecar.process.pid):
        try:
            times, role = process.cpu_times(), role_of(process)
        except psutil.Error:
            continue
        if role is not None:
            spent = times.user + times.system
            rows.append({"process": role, "CPU": f"{spent:.1f} s", "a trace": f"{1e3 * spent / max(traces, 1):.1f} ms"})
    median, high = findings.checks_s(stage.reader)
    rows.append(
        {"process": "guard, in the worker", "CPU": "", "a trace": f"{1e3 * median:.1f} ms (99 %: {1e3 * high:.1f})"}
    )
    return sorted(rows, key=lambda row: str(row["process"]))


def role_of(process: psutil.Process) -> str | None:
    return next((word for word in process.cmdline() if word in ROLES), None)
