"""Keys and tokens in a form that is known, by detect-secrets (https://github.com/Yelp/detect-secrets)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.basic_auth import BasicAuthDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.private_key import PrivateKeyDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from detectors.score import Score, Span, ok

# Not its entropy and keyword detectors, which find something in every prose, nor the one for Artifactory, which finds
# the credit line "APFullscreen"; not those that look for addresses, which are no secrets; not those for npm, JWT and
# OpenAI, whose patterns are quadratic: 0.8 s on 20,000 slashes.
DETECTORS = (
    AWSKeyDetector, AzureStorageKeyDetector, BasicAuthDetector, DiscordBotTokenDetector, GitHubTokenDetector,
    GitLabTokenDetector, MailchimpDetector, PrivateKeyDetector, PypiTokenDetector, SendGridDetector, SlackDetector,
    SquareOAuthDetector, StripeDetector, TelegramBotTokenDetector, TwilioKeyDetector,
)  # fmt: skip

# Forms younger than detect-secrets 1.5, from their makers' documentation, and those three in linear time.
OTHERS = re.compile(
    r"(?<![A-Za-z0-9_=-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JWT
    r"|(?<![A-Za-z0-9_-])sk-[A-Za-z0-9_-]{40,250}"  # OpenAI, Anthropic and those who took after them
    r"|AIza[0-9A-Za-z_-]{35}"  # Google Cloud
    r"|hf_[A-Za-z0-9]{30,40}"  # Hugging Face
    r"|npm_[A-Za-z0-9]{36}"
    r"|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"  # fine-grained
    r"|glsa_[A-Za-z0-9]{32}_[a-f0-9]{8}"  # Grafana
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Finds secrets; safe to share among threads."""

    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def load(cls) -> Secrets:
        return cls((*(pattern for made in DETECTORS for pattern in made().denylist), OTHERS))

    def __call__(self, text: str) -> Score:
        """1 with the places of the secrets, else 0."""
        spans = sorted({found.span() for pattern in self.patterns for found in pattern.finditer(text)})
        return ok(1.0, tuple(merged(spans))) if spans else ok(0.0)


def merged(spans: list[Span]) -> Iterator[Span]:
    """Spans in order, those that overlap as one.

    >>> list(merged([(0, 5), (3, 8), (9, 10)]))
    [(0, 8), (9, 10)]
    """
    start, end = spans[0]
    for begin, stop in spans[1:]:
        if begin <= end:
            end = max(end, stop)
        else:
            yield start, end
            start, end = begin, stop
    yield start, end
