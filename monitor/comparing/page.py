"""A comparison as one HTML file that needs nothing from outside and runs no script."""

from __future__ import annotations

import base64
import hashlib
import math
from html import escape

from detectors.intervals import Estimate
from monitor.comparing.charts import chart
from monitor.model.comparison import Comparison, Exchange, Finding, Pair, Side

STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #ffffff; --soft: #5d6778; --line: #d9dee6; --before: #9db4d3;
  --now: #c2410c; --mark: #fff4ec; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --paper: #14181f; --soft: #9aa5b5; --line: #323a47;
  --before: #48618a; --now: #fb923c; --mark: #2a1f18; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto;
  max-width: 78rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; } h2 { font-size: 1.05rem; margin: 0; overflow-wrap: anywhere; }
.sentence { font-size: 1.15rem; margin: 0 0 1rem; overflow-wrap: anywhere; }
.soft, caption, dt { color: var(--soft); } .soft { margin: .2rem 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; } th, td { white-space: nowrap; } .number { text-align: right; }
tr.changed td { background: var(--mark); } .changed .verdict { color: var(--now); font-weight: 600; }
summary { cursor: pointer; padding: .8rem 0; border-top: 1px solid var(--line); }
section { border-top: 1px solid var(--line); padding: 1rem 0; }
.parts { display: grid; grid-template-columns: minmax(0, 24rem) minmax(0, 1fr); gap: 1.5rem; margin-top: .5rem; }
svg.chart { width: 100%; height: auto; } svg text { font-size: 10px; fill: var(--soft); }
rect.before { fill: var(--before); } path.now { fill: none; stroke: var(--now); stroke-width: 1.6; }
rect.now { fill: var(--now); } .key { display: inline-block; width: .8em; height: .8em; margin-right: .4em; }
span.label { margin-left: 1em; white-space: nowrap; }
.key.before { background: var(--before); } .key.now { border: 2px solid var(--now); box-sizing: border-box; }
.pair { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem; margin-top: .8rem; }
.exchange { border-left: 3px solid var(--before); padding-left: .7rem; overflow-wrap: anywhere; }
.exchange.now { border-color: var(--now); } .exchange p { white-space: pre-wrap; margin: .2rem 0; max-height: 12em;
  overflow: auto; } .asked { color: var(--soft); }
@media (max-width: 45rem) { .parts, .pair { grid-template-columns: minmax(0, 1fr); } }
"""
# The policy names the one style sheet by its hash: nothing else may run, load or style.
POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'"
)

# A tail beyond 10⁻³⁰⁰ is no figure that any approximation gives.
LARGEST = 300.0 * math.log(10.0) + 1e-6


def page(comparison: Comparison) -> str:
    """The whole page."""
    title = f"{comparison.now.name} against {comparison.before.name}"
    changed = "".join(section(finding) for finding in comparison.changed)
    others = [finding for finding in comparison.findings if finding.verdict != "changed"]
    same = "".join(section(finding) for finding in others)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1>"
        f'<p class="sentence">{escape(comparison.sentence)}</p>'
        f"{side('before', comparison.before)}{side('now', comparison.now)}"
        f'<p class="soft">Of the signals that are said to have changed, a share of {comparison.alpha:g} or less is'
        " expected to be wrong (Benjamini-Hochberg). Intervals hold the truth in 19 of 20 samples.</p>"
        f"{table(comparison)}{changed}"
        f"<details><summary>The other signals ({len(others)})</summary>{same}</details></body></html>\n"
    )


def side(kind: str, told: Side) -> str:
    sessions = "" if told.tested == told.traces else f", of which {told.tested:,} tested, one of each session"
    return (
        f'<p class="soft"><span class="key {kind}"></span>{kind}: <b>{escape(told.name)}</b>, {told.traces:,} traces'
        f"{sessions}{span(told)}</p>"
    )


def span(told: Side) -> str:
    if told.since is None or told.until is None:
        return ""
    return f", {told.since:%Y-%m-%d %H:%M} to {told.until:%Y-%m-%d %H:%M}"


def table(comparison: Comparison) -> str:
    """One row a signal."""
    head = "".join(f"<th>{name}</th>" for name in ("signal", "verdict", "before → now", "difference"))
    head += "".join(f'<th class="number">{name}</th>' for name in ("p", "adjusted p", "e", "n"))
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
        + "".join(row(finding) for finding in comparison.findings)
        + "</tbody></table></div>"
    )


def row(finding: Finding) -> str:
    values = "" if finding.mean_before is None else f"{number(finding.mean_before)} → {number(finding.mean_now)}"
    first = f"{finding.estimates[0].name} {sized(finding.estimates[0])}" if finding.estimates else ""
    numbers = (probability(finding.log_p), probability(finding.log_adjusted), evidence(finding.log_e))
    return (
        f'<tr class="{"changed" if finding.verdict == "changed" else "same"}"><td>{escape(finding.signal)}</td>'
        f'<td class="verdict">{finding.verdict}</td><td>{values}</td><td>{escape(first)}</td>'
        + "".join(f'<td class="number">{told}</td>' for told in numbers)
        + f'<td class="number">{finding.n_before:,} / {finding.n_now:,}</td></tr>'
    )


def section(finding: Finding) -> str:
    """A signal's distributions, sizes, tests and examples; nothing more of what did not change than its chart."""
    changed = finding.verdict == "changed"
    told = finding.told if changed else f"{finding.signal}: {finding.verdict}"
    sizes = "".join(
        f"<tr><td>{escape(each.name)}</td><td class='number'>{number(each.value)}</td>"
        f"<td class='number'>{number(each.low)} … {number(each.high)}</td></tr>"
        for each in finding.estimates
    )
    tests = ", ".join(f"{name} {probability(log_p)}" for name, log_p in finding.tests.items())
    missing = ""
    if finding.missing_before or finding.missing_now:
        missing = f"; missing {finding.missing_before:.1%} → {finding.missing_now:.1%}"
    return (
        f'<section class="{"changed" if changed else "same"}"><h2>{escape(told)}</h2>'
        f'<div class="parts"><div>{chart(finding.bars, finding.kind)}{caption(finding)}</div>'
        f'<div class="scroll"><table><tbody>{sizes}</tbody></table>'
        f'<p class="soft">p of each test: {escape(tests)}{missing}</p></div></div>'
        + "".join(pair(each) for each in finding.pairs)
        + "</section>"
    )


def caption(finding: Finding) -> str:
    if not finding.bars.before:
        return '<p class="soft">no values to show</p>'
    axis = {"scalar": finding.unit, "category": "share of traces"}.get(
        finding.kind, "standard deviations along the difference"
    )
    keys = "".join(f'<span class="label"><span class="key {side}"></span>{side}</span>' for side in ("before", "now"))
    return f'<p class="soft">{escape(axis)}{keys}</p>'


def pair(shown: Pair) -> str:
    before = "" if shown.before is None else exchange(shown.before, "before")
    return f'<div class="pair">{before}{exchange(shown.now, "now")}</div>'


def exchange(shown: Exchange, kind: str) -> str:
    value = f": {shown.value}" if shown.value else ""
    at = "" if shown.time is None else f" {shown.time:%Y-%m-%d %H:%M}"
    return (
        f'<div class="exchange {kind}"><p class="soft">{kind}{at} {escape(shown.id)}{escape(value)}</p>'
        f'<p class="asked">{escape(shown.prompt)}</p><p>{escape(shown.response)}</p></div>'
    )


def sized(estimate: Estimate) -> str:
    """
    >>> sized(Estimate("PSI", 0.123456, 0.1, 0.2))
    '0.1235 (0.1 … 0.2)'
    """
    return f"{number(estimate.value)} ({number(estimate.low)} … {number(estimate.high)})"


def number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4g}".replace("-", "−")


def probability(log_p: float) -> str:
    """
    >>> probability(math.log(0.0321)), probability(-20.0), probability(-1e4), probability(0.0)
    ('0.032', '< 10⁻⁸', '< 10⁻³⁰⁰', '1')
    """
    log_p = max(log_p, -LARGEST)
    if log_p > math.log(1e-4):
        return f"{math.exp(log_p):.2g}"
    return f"< 10{power(math.floor(log_p / math.log(10.0)) + 1)}"


def evidence(log_e: float) -> str:
    """
    >>> evidence(math.log(4.2)), evidence(20.0), evidence(1000.0)
    ('4.2', '> 10⁸', '> 10³⁰⁰')
    """
    if log_e < math.log(1e4):
        return f"{math.exp(log_e):.2g}"
    return f"> 10{power(math.floor(min(log_e, LARGEST) / math.log(10.0)))}"


def power(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
