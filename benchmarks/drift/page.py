"""The page of results: ``docs/benchmarks/drift.md``, made of the JSON files that the parts have written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.drift import targets
from benchmarks.drift.oracle import DIRECTED, OMNIBUS
from benchmarks.drift.results import Row, load, written

Found = dict[str, Any]


def write(folder: Path, figures: Sequence[str]) -> Path:
    """Write the page beside the folder of results; ``figures`` are files in it that it shows."""
    found = {part: result for part in SECTIONS if (result := load(part, folder)) is not None}
    lines = [
        "# Drift: false alarms, power, delay and cost",
        "",
        "How often the engine cries wolf when nothing changes, and how many traces it needs when something does,",
        "beside the best test that could be had and beside other libraries, all on the same seeded streams. References",
        "are of 5,000 traces and panes of 16 unless said otherwise. What the streams are: `benchmarks/drift/laws.py`",
        "and `traffic.py`. Run lengths (ARL) count panes, delays count traces. A ratio over 1 of achieved to target",
        "ARL means fewer false alarms than allowed for.",
        "",
        *targets.section({part: result["rows"] for part, result in found.items()}),
    ]
    for part, result in found.items():
        title, section = SECTIONS[part]
        lines += [f"## {title}", "", f"`{result['command']}` · {result['machine']}", ""]
        lines += [line for name in figures if name.startswith(part) for line in (f"![{title}](drift/{name})", "")]
        lines += [*section(result["rows"]), ""]
    path = folder.parent / "drift.md"
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return path


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    cells = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


def traces(value: float | None) -> str:
    """A delay; never found is a dash."""
    return "–" if value is None else f"{value:,.0f}"


def distinct(rows: Sequence[Row], key: str) -> list[Any]:
    """The values of a key, in the order of the rows."""
    return list(dict.fromkeys(row[key] for row in rows))


def _arl(rows: Sequence[Row]) -> list[str]:
    """Achieved over target, pooled, and the range over references at the lowest target."""
    asked = distinct(rows, "target")
    head = ["reference", "traffic", *(f"ARL {target:,.0f}" for target in asked), f"median [10-90 %] at {asked[0]:g}"]
    body = []
    for law in distinct(rows, "law"):
        for traffic in distinct(rows, "traffic"):
            mine = [row for row in rows if (row["law"], row["traffic"]) == (law, traffic)]
            low, middle, high = mine[0]["quantiles"]
            limit = mine[0]["panes"] / mine[0]["target"]
            spread = f"{written(middle, limit)} [{written(low, limit)}, {written(high, limit)}]"
            ratios = {row["target"]: written(row["ratio"], row["interval"][0]) for row in mine}
            body.append([law, traffic, *(ratios.get(target, "") for target in asked), spread])
    first = rows[0]
    return [
        f"Achieved over target ARL, over {first['references']} references of each kind, with"
        f" {min(row['panes'] for row in rows):,} to {max(row['panes'] for row in rows):,} null panes of each: panes"
        " over alarms, all references together, and the quantiles over references. With no alarm at all the figure is"
        " the lower end of the 95 % interval.",
        "",
        *table(head, body),
    ]


def _delay(rows: Sequence[Row]) -> list[str]:
    vectors = [row for row in rows if row["kind"] == "vector"]
    others = [row for row in rows if row["kind"] != "vector"]
    lines: list[str] = []
    if vectors:
        lines += [
            "Embeddings: median traces to detection at an achieved ARL of 10⁴ panes (thresholds set on null streams)"
            " and at the stated level, beside offline tests of level 10⁻⁴ that are told when the change came: the best"
            f" of {', '.join(OMNIBUS)}, and one that is told its direction too. A dash: not found by half.",
            "",
            *table(
                ["reference", "change", "ours", "10-90 %", "stated level", "best offline", "which", DIRECTED, "ratio"],
                [
                    [
                        row["law"], row["change"], traces(row["delay"]),
                        f"{traces(row['range'][0])} to {traces(row['range'][1])}", traces(row["stated"]),
                        traces(row["best_delay"]), row["best"], traces(row["oracles"][DIRECTED]),
                        written(row["ratio"]),
                    ]
                    for row in vectors
                ],
            ),
            "",
        ]  # fmt: skip
    if others:
        lines += [
            "Numbers and categories: mean traces to detection at an achieved ARL of 10⁴ panes, beside the CUSUM of the"
            " true log-likelihood ratio at the same ARL in traces (both signs where the mean shifts). With panes of one"
            " trace the ARL is 10⁴ traces; with panes of 16 it is 160,000, and a delay ends with a pane.",
            "",
            *table(
                ["reference", "change", "pane", "ours", "found", "stated level", "tuned CUSUM", "ratio"],
                [
                    [
                        row["law"], row["change"], str(row["pane"]), traces(row["delay"]), f"{row['found']:.0%}",
                        traces(row["stated"]), traces(row["best_delay"]), written(row["ratio"]),
                    ]
                    for row in others
                ],
            ),
        ]  # fmt: skip
    return lines


def _power(rows: Sequence[Row]) -> list[str]:
    lines = [
        "Share of changed windows of 500 traces that are found against a reference of 5,000, when every test has the"
        " threshold that 5 % of null windows pass. *ours*: the sequential engine, its greatest evidence over the panes"
        " of the window; *ours, window*: the two-sample comparison of the same maps."
    ]
    for law in distinct(rows, "law"):
        mine = [row for row in rows if row["law"] == law]
        methods = distinct(mine, "method")
        shares = {(row["change"], row["method"]): row.get("power") for row in mine}
        lines += ["", f"**{law}**", ""]
        lines += table(
            ["method", *distinct(mine, "change")],
            [
                [method, *(_share(shares.get((change, method))) for change in distinct(mine, "change"))]
                for method in methods
            ],
        )
    return lines


def _share(value: float | None) -> str:
    return "missing" if value is None else f"{value:.2f}"


def _peers(rows: Sequence[Row]) -> list[str]:
    versions = next(row["versions"] for row in rows if row["part"] == "versions")
    lines = [", ".join(f"{name} {number or 'not installed'}" for name, number in versions.items()) + "."]
    if missing := sorted({f"{row['method']} ({row['missing']})" for row in rows if "missing" in row}):
        lines += ["", "Missing: " + "; ".join(missing) + "."]
    ran = [row for row in rows if "missing" not in row]
    windows = [row for row in ran if row["part"] == "windows"]
    columns = [(traffic, n) for traffic in distinct(windows, "traffic") for n in (100, 500)]
    lines += ["", "Share of null windows on which each test says drift at its own default, by traffic and window:", ""]
    body = []
    for law in distinct(windows, "law"):
        mine = [row for row in windows if row["law"] == law]
        for method in distinct(mine, "method"):
            fired = {(row["traffic"], row["n"]): f"{row['fired']:.0%}" for row in mine if row["method"] == method}
            body.append([law, method, *(fired.get(column, "") for column in columns)])
    lines += table(["reference", "test", *(f"{traffic}, {n}" for traffic, n in columns)], body)
    streams = [row for row in ran if row["part"] == "streams"]
    lines += [
        "",
        "Mean traces to a false alarm of streaming detectors, by setting (their default first); ours is at the stated"
        " level of one false alarm in 10⁴ traces:",
        "",
    ]
    traffics = distinct(streams, "traffic")
    body = []
    for law, method, setting in dict.fromkeys((row["law"], row["method"], row.get("setting")) for row in streams):
        mine = [row for row in streams if (row["law"], row["method"], row.get("setting")) == (law, method, setting)]
        run_lengths = {row["traffic"]: f"{written(row['arl'], row['interval'][0])}" for row in mine}
        body.append(
            [law, method, "" if setting is None else f"{setting:g}", *(run_lengths.get(t, "") for t in traffics)]
        )
    lines += table(["reference", "detector", "setting", *traffics], body)
    return lines + _peer_delays(ran)


def _peer_delays(rows: Sequence[Row]) -> list[str]:
    """Of each detector the setting that comes nearest above the run length of 10⁴ traces, or the slowest tried."""
    delays = [row for row in rows if row["part"] == "delays"]
    run_lengths = {
        (row["law"], row["method"], row.get("setting")): row["arl"] if row["arl"] is not None else float("inf")
        for row in rows
        if row["part"] == "streams" and row["traffic"] == "i.i.d."
    }
    body = []
    for law, method in dict.fromkeys((row["law"], row["method"]) for row in delays):
        tried = {key[2]: length for key, length in run_lengths.items() if key[:2] == (law, method)}
        enough = [setting for setting, length in tried.items() if length >= targets.PEERS_ARL]
        chosen = min(enough, key=lambda s: tried[s]) if enough else max(tried, key=lambda s: tried[s])
        length = "∞" if tried[chosen] == float("inf") else f"{tried[chosen]:,.0f}"
        for row in delays:
            if (row["law"], row["method"], row.get("setting")) == (law, method, chosen):
                setting = "" if chosen is None else f"{chosen:g}"
                found = "–" if row["found"] is None else f"{row['found']:.0%}"
                body.append([law, row["change"], method, setting, length, traces(row["delay"]), found])
    return [
        "",
        "Mean traces to detection, each detector at the setting whose ARL is nearest above 10⁴ traces, or the largest"
        " it reached (∞: no false alarm seen):",
        "",
        *table(
            ["reference", "change", "detector", "setting", "ARL", "delay", "found"], sorted(body, key=lambda r: r[:2])
        ),
    ]


def _cost(rows: Sequence[Row]) -> list[str]:
    cells = [f"missing: {row['missing']}" if "missing" in row else f"{row['value']:,.1f} {row['unit']}" for row in rows]
    body = [[row["figure"], row["who"], cell] for row, cell in zip(rows, cells, strict=True)]
    return table(["what", "who", "figure"], body)


def _llmdrift(rows: Sequence[Row]) -> list[str]:
    """Median traces until found, over replays."""
    body = []
    for model, reference in dict.fromkeys((row["model"], row["reference"]) for row in rows):
        for signal in distinct(rows, "signal"):
            mine = [
                row for row in rows if (row["model"], row["reference"], row["signal"]) == (model, reference, signal)
            ]
            cells = [f"{traces(row['median'])} ({row['found']}/{row['replays']})" for row in mine if row["share"] > 0.0]
            nulls = [f"{row['found']} in {row['replays']} × {row['limit']:,}" for row in mine if row["share"] == 0.0]
            body.append([model, reference, signal, *cells, *nulls])
    shares = [f"June {share:.0%}" for share in distinct(rows, "share") if share > 0.0]
    return [
        "Median traces until found (replays in which it was, within 6,000 traces) with June diluted into March, at the"
        " stated level of one false alarm in 10⁴ panes; and replays with an alarm when March is judged against March"
        " (chance alone brings 3.75 in 100 × 6,000 traces). Reference: all 1,506 answers of March, or half of them;"
        " then the stream is the other half.",
        "",
        *table(["model", "reference", "signal", *shares, "March, alarms", "March, long, alarms"], body),
    ]


def _month(rows: Sequence[Row]) -> list[str]:
    """Pages and alarms of the whole installation."""
    return [
        f"{row['segments']} segments × {row['signals']} signals, {row['panes']:,} panes of each, references of 1,000"
        f" traces: {row['pages']} pages and {row['alarms']} alarms of monitors; allowed is {row['budget']:g} page."
        for row in rows
    ]


SECTIONS = {
    "arl": ("False alarms", _arl),
    "month": ("A month without change", _month),
    "delay": ("Delay", _delay),
    "power": ("Power", _power),
    "peers": ("Peers", _peers),
    "cost": ("Cost", _cost),
    "llmdrift": ("GPT-4 and GPT-3.5, March to June 2023", _llmdrift),
}
