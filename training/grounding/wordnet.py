"""Synonyms and antonyms by stem from the database files of WordNet 3 (https://wordnet.princeton.edu, wndb(5WN))."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from detectors.stems import stem

PARTS = ("adj", "adv", "noun", "verb")
_SENSES = 4
# Quantities that WordNet has no antonymy between.
_OPPOSITES = (("most", "some"), ("all", "some"), ("many", "few"), ("all", "none"), ("young", "elderly"))
_OPPOSITES += (("before", "after"), ("more", "less"))

Related = dict[str, frozenset[str]]
Table = defaultdict[str, set[str]]


def read(folder: Path) -> tuple[Related, Related]:
    """(synonyms, antonyms): of words tagged at least once in WordNet's corpus, in their first four senses.

    A synonym shares a set of synonyms, is similar to it (adjectives), or is its direct hypernym.
    """
    tagged = _tagged(folder / "cntlist.rev")
    synonyms: Table = defaultdict(set)
    antonyms: Table = defaultdict(set)
    for one, other in _OPPOSITES:
        _relate(antonyms, one, other)
    for part in PARTS:
        first, sets = _first_senses(folder / f"index.{part}"), dict(_sets(folder / f"data.{part}"))
        for offset, (lemmas, pointers) in sets.items():
            own = _known(lemmas, offset, first, tagged)
            for one, other in product(own, own):
                _relate(synonyms, one, other)
            for symbol, target, ends in pointers:
                there = sets[target][0] if target in sets else []
                if symbol == "!":
                    for one, other in product(_ends(lemmas, ends[:2]), _ends(there, ends[2:])):
                        if tagged[one] + tagged[other]:
                            _relate(antonyms, one, other)
                elif symbol in "@&":
                    for one, other in product(own, _known(there, target, first, tagged)):
                        _relate(synonyms, one, other)
    kept = {key: frozenset(found - antonyms[key]) for key, found in sorted(synonyms.items()) if found - antonyms[key]}
    return kept, {key: frozenset(found) for key, found in sorted(antonyms.items()) if found}


def _known(lemmas: list[str], offset: str, first: Mapping[str, set[str]], tagged: Counter[str]) -> list[str]:
    """The lemmas that are tagged, and have this sense among their first."""
    return [lemma for lemma in lemmas if tagged[lemma] and offset in first.get(lemma, ())]


def _relate(table: Table, one: str, other: str) -> None:
    if one.isalpha() and other.isalpha() and (ours := stem(one)) != (theirs := stem(other)):
        table[ours].add(theirs)
        table[theirs].add(ours)


def _tagged(path: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        key, _, count = line.split(" ")
        counts[key.partition("%")[0]] += int(count)
    return counts


def _first_senses(path: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        if not line.startswith("  "):
            lemma, _, _, pointers, *rest = line.split()
            found[lemma] = set(rest[int(pointers) + 2 :][:_SENSES])
    return found


def _sets(path: Path) -> Iterator[tuple[str, tuple[list[str], list[tuple[str, str, str]]]]]:
    """Offset, lemmas, and pointers of (symbol, offset of the target, the two words they join in hexadecimal)."""
    part = path.suffix[1]
    for line in path.read_text().splitlines():
        if line.startswith("  "):
            continue
        offset, _, _, count, *rest = line.partition(" | ")[0].split()
        words = int(count, 16)
        lemmas = [rest[2 * at].partition("(")[0].lower() for at in range(words)]
        fields = rest[2 * words + 1 :]
        pointers = [fields[4 * at : 4 * at + 4] for at in range(int(rest[2 * words]))]
        inside = [(symbol, target, ends) for symbol, target, kind, ends in pointers if kind.replace("s", "a") == part]
        yield offset, (lemmas, inside)


def _ends(lemmas: list[str], number: str) -> list[str]:
    at = int(number, 16)
    return lemmas if at == 0 else lemmas[at - 1 : at]
