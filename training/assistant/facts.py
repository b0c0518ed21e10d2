"""Facts about things with made-up names: what teaches the assistant to look a name up instead of knowing the page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.demo.knowledge import Passage
from training.assistant.names import LABELS, PLACES, Namer, choose, code, made_up

KINDS = ("export", "add-on", "plan", "folder", "app", "service", "report", "gateway", "widget", "archive", "importer")


@dataclass(frozen=True, slots=True)
class Relation:
    """One kind of fact: ways to say it of a thing ``{a}``, with its value ``{v}``, and ways to ask for it."""

    says: tuple[str, ...]
    asked: tuple[str, ...]
    value: str


RELATIONS = (
    Relation(
        ("{a} costs {v} a month.", "The monthly price of {a} is {v}.", "You pay {v} per month for {a}."),
        (
            "How much does {a} cost?",
            "What is the price of {a}?",
            "How expensive is {a} per month?",
            "What do I pay for {a}?",
        ),
        "price",
    ),
    Relation(
        ("{a} holds up to {v} files.", "At most {v} files fit into {a}.", "The limit of {a} is {v} files."),
        (
            "How many files fit into {a}?",
            "What is the limit of {a}?",
            "How much can I put into {a}?",
            "Is there a maximum number of files for {a}?",
        ),
        "number",
    ),
    Relation(
        (
            "{a} keeps its data for {v} days.",
            "Data in {a} is deleted after {v} days.",
            "What is in {a} is kept for {v} days.",
        ),
        (
            "How long does {a} keep my data?",
            "When is the data in {a} deleted?",
            "For how many days is everything kept in {a}?",
        ),
        "number",
    ),
    Relation(
        (
            "Open {a} under Settings, {v}.",
            "{a} is found under Settings, {v}.",
            "To get to {a}, choose Settings and then {v}.",
        ),
        ("Where do I find {a}?", "How do I open {a}?", "Where is {a} in the menu?", "I can't find {a}, where is it?"),
        "label",
    ),
    Relation(
        ("{a} is stored in {v}.", "The servers of {a} are in {v}.", "Everything in {a} is kept in {v}."),
        ("In which country is {a} stored?", "Where are the servers of {a}?", "Which country keeps the data of {a}?"),
        "place",
    ),
    Relation(
        ("{a} shows error {v} when the line is down.", "Error {v} of {a} means that the line is down."),
        ("Which error does {a} show when the line is down?", "What is the error of {a} without a connection?"),
        "code",
    ),
    Relation(
        ("{a} was made by the team of {v}.", "{v} is the team behind {a}.", "The team {v} looks after {a}."),
        ("Who made {a}?", "Which team looks after {a}?", "Who is behind {a}?"),
        "name",
    ),
    Relation(
        ("{a} needs version {v} or newer.", "Version {v} is the oldest that runs {a}."),
        ("Which version does {a} need?", "What is the oldest version that runs {a}?", "Do I need an update for {a}?"),
        "version",
    ),
    Relation(
        ("{a} starts every day at {v}.", "Every day at {v} {a} is started."),
        ("When does {a} start?", "At what time is {a} started?", "What time does {a} run every day?"),
        "time",
    ),
    Relation(
        ("{a} works with {v} only.", "Only {v} can be used with {a}.", "You need {v} to use {a}."),
        ("What does {a} work with?", "What can be used with {a}?", "What do I need to use {a}?"),
        "name",
    ),
    Relation(
        ("Press {v} to stop {a}.", "{a} is stopped with the button {v}.", "To stop {a}, press {v}."),
        ("How do I stop {a}?", "Which button stops {a}?", "Can I switch {a} off?"),
        "label",
    ),
    Relation(
        ("{a} answers within {v} minutes.", "It takes {v} minutes until {a} answers."),
        ("How fast does {a} answer?", "How long does it take until {a} answers?"),
        "number",
    ),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A page on one or two things, and for each of its sentences the questions it answers."""

    page: Passage
    questions: tuple[tuple[str, ...], ...]
    beyond: tuple[str, ...]
    """Questions about the same things that the page does not answer."""


def value_of(rng: np.random.Generator, value: str, name: Namer) -> str:
    match value:
        case "price":
            return f"{rng.integers(1, 60)}.{rng.integers(10, 100)}" if rng.random() < 0.6 else str(rng.integers(2, 90))
        case "number":
            return str(rng.integers(2, 10 ** int(rng.integers(1, 5)) + 2))
        case "label":
            return choose(rng, LABELS) if rng.random() < 0.5 else name(rng)
        case "place":
            return choose(rng, PLACES) if rng.random() < 0.6 else name(rng)
        case "code":
            return code(rng)
        case "version":
            return f"{rng.integers(1, 20)}.{rng.integers(0, 40)}"
        case "time":
            return f"{rng.integers(0, 24)}:{rng.integers(0, 60):02}"
        case "name":
            return name(rng)
        case _:
            raise ValueError(value)


def thing(rng: np.random.Generator, namer: Namer) -> str:
    """What a fact is about: ``the Brantel export``, or the name alone."""
    name = namer(rng)
    return f"the {name} {choose(rng, KINDS)}" if rng.random() < 0.6 else name


def facts(rng: np.random.Generator, name: Namer = made_up) -> Asked:
    """A page of one to three facts on one thing or two."""
    things = [thing(rng, name) for _ in range(1 if rng.random() < 0.6 else 2)]
    order = rng.permutation(len(RELATIONS))
    count = int(rng.integers(1, 4))
    points, questions = [], []
    for i in order[:count]:
        about = things[int(rng.integers(len(things)))]
        relation = RELATIONS[i]
        said = choose(rng, relation.says).format(a=about, v=value_of(rng, relation.value, name))
        points.append(said[0].upper() + said[1:])
        questions.append(tuple(each.format(a=about) for each in relation.asked))
    beyond = tuple(question.format(a=things[0]) for i in order[count : count + 2] for question in RELATIONS[i].asked)
    title = f"About {things[0]}" if rng.random() < 0.5 else things[0][0].upper() + things[0][1:]
    return Asked(Passage("facts", "facts", title, tuple(points)), tuple(questions), beyond)
