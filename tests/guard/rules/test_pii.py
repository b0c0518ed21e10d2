import socket
from typing import NoReturn

import pytest

from monitor.errors import Permanent
from monitor.guard.policy import ByPersonalData
from monitor.guard.rules.pii import PersonalData

TEXT = "Mail john.smith@example.com, card 4111 1111 1111 1111, IBAN DE89370400440532013000, call +1 212-555-0123."


@pytest.fixture(scope="module")
def finder() -> PersonalData:
    return PersonalData.load(ByPersonalData())


def test_what_has_a_form_is_found_where_it_stands(finder: PersonalData) -> None:
    score = finder(TEXT)
    assert score.value == 1.0
    assert {TEXT[slice(*span)] for span in score.spans} >= {
        "john.smith@example.com", "4111 1111 1111 1111", "DE89370400440532013000",
    }  # fmt: skip


def test_a_card_number_whose_check_digit_is_wrong_is_none(finder: PersonalData) -> None:
    assert finder("card 4111 1111 1111 1112").value == 0.0


def test_prose_holds_no_personal_data(finder: PersonalData) -> None:
    assert finder("Refunds take five days and cost nothing; order 4711 was sent on Monday.").value == 0.0


def test_only_the_entities_asked_for_are_looked_for() -> None:
    cards = PersonalData.load(ByPersonalData(entities=("CREDIT_CARD",)))
    assert cards("Mail john.smith@example.com").value == 0.0


def test_no_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert PersonalData.load(ByPersonalData())("john.smith@example.co.uk").value == 1.0


def test_names_of_people_need_a_model() -> None:
    with pytest.raises(Permanent, match=r"got PERSON \(names of people and places need a spaCy model"):
        PersonalData.load(ByPersonalData(entities=("PERSON",)))
    with pytest.raises(Permanent, match="spaCy has no model 'en_core_web_none'"):
        PersonalData.load(ByPersonalData(entities=("PERSON",), model="en_core_web_none"))
