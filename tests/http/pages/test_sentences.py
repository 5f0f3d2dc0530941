"""The audit trail in words: every action has its sentences."""

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from tests.summed import ACTIONS, SENTENCES

from gatepost.http.pages import sentences
from gatepost.http.pages.language import language
from gatepost.models import Action, AuditEvent, EndReason

ENGLISH = language("en")
told = partial(sentences.shown_event, words=SENTENCES)
sentence = partial(sentences.sentence, words=SENTENCES)
kind = partial(sentences.kind, words=SENTENCES)


def event(action: str, *, user_id: int | None = 5, **detail: Any) -> AuditEvent:
    return AuditEvent(
        id=1,
        at=datetime(2024, 1, 1, tzinfo=UTC),
        action=action,
        user_id=user_id,
        session_id=None,
        ip_address=None,
        user_agent=None,
        detail=detail,
    )


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("user_id", [5, None])
def test_every_action_has_a_sentence_for_oneself_and_one_for_others(
    action: Action, user_id: int | None
) -> None:
    happened = event(action, user_id=user_id)
    for text in (
        sentence(ENGLISH, happened, own=True),
        sentence(ENGLISH, happened, own=False, who="ada@example.com"),
    ):
        assert text != action
        assert text[0].isupper() or text.startswith("ada@example.com")
        assert not text.endswith(".")
        assert "%(" not in text
    assert kind(happened) in {"good", "plain", "warn", "bad"}


def test_no_sentence_is_of_an_action_that_there_is_not() -> None:
    assert {key.partition("/")[0] for key in SENTENCES} == set(ACTIONS)


def test_every_reason_that_stands_in_a_key_is_one_that_is_written() -> None:
    reasons = {key.partition("/")[2] for key in SENTENCES if key.startswith("session.revoked")}
    assert reasons - {"", "by", "others"} <= set(EndReason)


@pytest.mark.parametrize(
    ("happened", "own", "other"),
    [
        (event("session.started"), "You signed in", "user 5 signed in"),
        (
            event("login.failed", reason="wrong_password", email="ada@example.com"),
            "Someone failed to sign in to your account",
            "Failed sign-in as ada@example.com",
        ),
        (
            event("login.failed", user_id=None, reason="unknown_user", email="who@example.com"),
            "Someone failed to sign in to your account",
            "Failed sign-in as who@example.com: no such account",
        ),
        (
            event("login.failed", user_id=None, reason="unknown_user"),  # its e-mail was erased
            "Someone failed to sign in to your account",
            "Failed sign-in as someone: no such account",
        ),
        (
            event("session.revoked_all", reason="revoked", sessions=3, by="command"),
            "An administrator ended your sessions",
            "An administrator ended the sessions of user 5",
        ),
        (
            event("session.revoked", reason="revoked", sessions=1, admin_id=2),
            "An administrator ended one of your sessions",
            "An administrator ended a session of user 5",
        ),
        (
            event("session.revoked", reason="revoked", sessions=1),
            "You ended one of your sessions",
            "user 5 ended one of their sessions",
        ),
        (
            event("session.revoked_all", reason="revoked", sessions=2, kept_session=9),
            "You ended all your other sessions",
            "user 5 ended all their other sessions",
        ),
        (
            event("session.revoked_all", reason="a reason of tomorrow", sessions=2),
            "Your sessions were ended",
            "The sessions of user 5 were ended",
        ),
        (
            event("invitation.created", user_id=None, email="ada@example.com", admin_id=2),
            "You were invited",
            "ada@example.com was invited",
        ),
        (
            event("invitation.created", user_id=None, admin_id=2),
            "An invitation was created",
            "An invitation was created",
        ),
        (event("tomorrows.action"), "tomorrows.action", "tomorrows.action"),
    ],
)
def test_the_detail_of_an_event_says_more(happened: AuditEvent, own: str, other: str) -> None:
    assert sentence(ENGLISH, happened, own=True) == own
    assert sentence(ENGLISH, happened, own=False) == other


def test_who_it_was_is_not_read_as_a_part_of_the_sentence() -> None:
    assert (
        sentence(ENGLISH, event("session.started"), own=False, who="%(who)s \\1") == r"%(who)s \1 signed in"
    )


@pytest.mark.parametrize(
    ("sessions", "more"),
    [
        (0, None),
        (1, "1 session was ended."),
        (1200, "1,200 sessions were ended."),
        ("many", None),
        (None, None),
    ],
)
def test_how_many_sessions_ended_is_a_sentence_of_its_own(sessions: object, more: str | None) -> None:
    assert told(ENGLISH, event("session.revoked_all", sessions=sessions), own=True).more == more


def test_what_is_one_session_already_is_not_counted_again() -> None:
    assert told(ENGLISH, event("session.revoked", reason="revoked", sessions=1), own=True).more is None


@pytest.mark.parametrize(
    ("began", "told"),
    [
        (datetime(2024, 3, 1, 14, 5, 59, tzinfo=UTC), "1 Mar 2024, 14:05 UTC"),
        (datetime(2024, 3, 1, 13, 50, tzinfo=UTC), "1 Mar 2024, 13:50 \N{EN DASH} 14:05 UTC"),
        (datetime(2024, 2, 29, 23, 50, tzinfo=UTC), "29 Feb 2024, 23:50 \N{EN DASH} 1 Mar 2024, 14:05 UTC"),
    ],
)
def test_what_took_a_while_names_no_day_or_minute_twice(began: datetime, told: str) -> None:
    assert language("en", "GB").time(datetime(2024, 3, 1, 14, 5, tzinfo=UTC), began) == told


def test_a_sign_stays_before_its_number_in_a_line_that_runs_to_the_left() -> None:
    assert language("ar").change(1.31).startswith("\u200e+131")
