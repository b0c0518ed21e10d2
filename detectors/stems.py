"""Words and their stems: what answers, passages and samples are compared by."""

import re

from detectors import words

# Numbers whole ("1,250.5"), Chinese and Japanese by character, all else by word.
WORD = re.compile(r"\d+(?:[.,]\d+)*|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_\u3040-\u30ff\u3400-\u9fff]+(?:['’][^\W\d_]+)?")
# Scripts that set no space between words.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
# Words of any script as a tokenizer's counts are compared with: what spaces part, and each character of those scripts.
UNIT = re.compile(rf"{UNSPACED.pattern}|[^\s{UNSPACED.pattern[1:]}+")
LENGTH = 6


class Stems(dict[str, str]):
    """Stems of the words seen so far in a batch: a word is stemmed once."""

    def __missing__(self, word: str) -> str:
        found = self[word] = stem(word)
        return found


def stem(word: str) -> str:
    """Lower case, without a common English ending, at most six letters; a number without thousands separators.

    >>> [stem(word) for word in ("Carries", "carrying", "organizations", "1,250", "eight")]
    ['carr', 'carr', 'organi', '1250', '8']
    """
    if word[0].isdigit():
        return word.replace(",", "")
    folded = word.lower().replace("’", "'").removesuffix("'s")
    if numeral := words.NUMERALS.get(folded):
        return numeral
    for size in range(min(6, len(folded) - 3), 0, -1):
        if folded[-size:] in words.SUFFIXES:
            folded = folded[:-size]
            break
    return (folded[:-1] if len(folded) > 3 and folded[-1] in "eyi" else folded)[:LENGTH]


# Content words are all but these. Numbers stay content.
EMPTY = frozenset(stem(word) for word in words.GRAMMAR | words.SELF_REFERENCE)
