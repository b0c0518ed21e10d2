"""A test of "nothing changed" that may be looked at after every observation: conformal p-values, and bets on them.

Each observation is ranked among all before it of the same source, those of a reference first. Without a change they
are exchangeable, so the p-values of a source are independent and uniform, whatever the distribution (Vovk,
Nouretdinov, Gammerman: Testing exchangeability on-line, ICML 2003). A bet of density f on the p-value pays
``E = f(p)`` with mean 1; capital that is multiplied so is a martingale, and by Ville's inequality

    P(the capital ever reaches 1/α) ≤ α .

Observations are marks on a grid (``mark``), so that a bag of them is a histogram that adds, however long it grows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

RATIO = 1.1
MOST = 200
"""The highest mark: 1.1²⁰⁰ floors and more are one."""

NOTHING = -1e9
"""The log of no capital: finite, as JSON has it."""

Bag = Mapping[int, int]
"""How many observations had each mark."""


def mark(distance: float, floor: float) -> int:
    """A distance on a grid of ratio 1.1 that starts at the floor; what is not above the floor is 0.

    >>> mark(0.0009, 0.001), mark(0.00105, 0.001), mark(0.002, 0.001)
    (0, 1, 8)
    """
    if not distance > floor:
        return 0
    # The last decimals must not decide about a distance on the edge of a cell.
    return min(1 + math.floor(round(math.log(distance / floor) / math.log(RATIO), 9)), MOST)


def with_mark(bag: Bag, found: int) -> Bag:
    return {**bag, found: bag.get(found, 0) + 1}


def without_mark(bag: Bag, found: int) -> Bag:
    """The bag with one less of a mark; unchanged where there is none."""
    left = {**bag, found: bag.get(found, 0) - 1}
    return {each: count for each, count in left.items() if count > 0}


def e_value(bag: Bag, found: int) -> float:
    """What a bet on the p-value of a new mark pays, averaged over the draw that breaks ties.

    With n marks in the bag, a of them larger and t equal, p is uniform on ``(a, a + t + 1) / (n + 1)``. The bet is the
    mixture over ε in (0, 1) of ``ε p^(ε−1)``, whose integral up to p is ``(p − 1) / ln p`` (Vovk and Wang: E-values,
    Annals of Statistics 2021, section 2): large marks alone pay, and at most ``(n + 1) F(1 / (n + 1))``.

    >>> round(e_value({0: 4}, 9), 3), e_value({0: 4}, 0)
    (2.485, 1.0)
    """
    n = sum(bag.values()) + 1
    larger = sum(count for each, count in bag.items() if each > found)
    upper = larger + bag.get(found, 0) + 1
    return (_integral(upper / n) - _integral(larger / n)) * n / (upper - larger)


def _integral(p: float) -> float:
    if p <= 0.0 or p >= 1.0:
        return min(max(p, 0.0), 1.0)
    return (p - 1.0) / math.log(p)


@dataclass(frozen=True, slots=True)
class Capital:
    """Capital of 1 that is put in play a little at every bet, so that a change is found however late it comes.

    Before bet t, ``w_t = c_{t−1} − c_t`` is added to what is in play, with ``c_t = 1 / (1 + ln(1 + t))`` still aside:
    the mixture with weights w over martingales that begin at each t. A change at bet t costs ``−ln w_t``: 11 nats at
    1,000 where bets lose meanwhile, nothing where all marks are alike.

    Attributes:
        bets: so far.
        log_play: log of what is in play.
        log_excursion: log of the product of the payments since it last was under 1.
        excursion: how many bets that product has.
    """

    bets: int = 0
    log_play: float = NOTHING
    log_excursion: float = 0.0
    excursion: int = 0

    @property
    def log_e(self) -> float:
        """Log of the capital, in play and aside."""
        return _log_sum(self.log_play, math.log(aside(self.bets)))


def aside(bets: int) -> float:
    """What is not in play after so many bets.

    >>> aside(0)
    1.0
    """
    return 1.0 / (1.0 + math.log1p(bets))


def bet(capital: Capital, e: float) -> Capital:
    """The capital after a bet that paid ``e > 0``."""
    bets = capital.bets + 1
    play = _log_sum(capital.log_play, math.log(aside(bets - 1) - aside(bets)))
    anew = capital.log_excursion <= 0.0
    return Capital(
        bets,
        play + math.log(e),
        (0.0 if anew else capital.log_excursion) + math.log(e),
        1 if anew else capital.excursion + 1,
    )


def _log_sum(a: float, b: float) -> float:
    larger, smaller = max(a, b), min(a, b)
    return larger + math.log1p(math.exp(smaller - larger))
