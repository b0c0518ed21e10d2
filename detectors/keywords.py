"""What texts are about: words that they have and others lack."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from detectors.stems import EMPTY, WORD, Stems

# A word tells what texts are about when at least this share of them has it, and so many times that of the others.
_LEAST_SHARE = 0.2
_LEAST_TEXTS = 3
_LEAST_RATIO = 3.0


def keywords(texts: Sequence[str], others: Sequence[str], *, most: int = 2) -> list[str]:
    """At most so many words that far more of the texts have than of the others, the most telling first.

    Words of grammar and numbers tell nothing; forms of one stem are one word, shown in its most frequent form. No word
    of fewer than three texts is shown: it could be a name.

    >>> keywords(["a refund please"] * 4 + ["my refund"], ["the weather", "a song please"] * 5)
    ['refund']
    """
    stems = Stems()
    here, forms = occurrences(texts, stems)
    there, _ = occurrences(others, stems)
    told = []
    for word, count in here.items():
        share, other = count / len(texts), (there[word] + 0.5) / (len(others) + 1.0)
        if count >= _LEAST_TEXTS and share >= _LEAST_SHARE and share >= _LEAST_RATIO * other:
            told.append((other - share, word))
    return [min(forms[word], key=lambda form: (-forms[word][form], form)) for _, word in sorted(told)[:most]]


def occurrences(texts: Sequence[str], stems: Stems) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """In how many texts each stem occurs, and the forms it has."""
    counts: Counter[str] = Counter()
    forms: dict[str, Counter[str]] = defaultdict(Counter)
    for text in texts:
        words = {form.lower() for form in WORD.findall(text) if not form[0].isdigit()}
        found = {stems[form]: form for form in sorted(words)}
        for stem, form in found.items():
            if stem not in EMPTY:
                counts[stem] += 1
                forms[stem][form] += 1
    return counts, forms
