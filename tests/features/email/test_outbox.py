"""The outbox: mails are rows of the caller's transaction, one of a kind, and without a secret."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from tests.conftest import register
from tests.features.email.conftest import ADA, OpenPost, Post

from gatepost.db.listener import listening
from gatepost.features.email import outbox_store as store
from gatepost.features.email.mails import Mail
from gatepost.features.email.outbox import Draft, asked
from gatepost.features.email.outbox_store import CHANNEL
from gatepost.models import Client


async def test_a_mail_that_is_rolled_back_was_never_written(post: Post, db: Any) -> None:
    draft = Draft(mail=Mail.TEST, recipient=ADA, lifetime=timedelta(hours=1))

    async def act() -> None:
        async with post.gate.database.transaction() as conn:
            assert await post.outbox.put(conn, draft)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await act()
    assert await db.fetchval("SELECT count(*) FROM auth_messages") == 0


async def test_whoever_sends_hears_of_it_once_it_is_committed(post: Post) -> None:
    async with listening(post.gate.database, CHANNEL) as bell:
        await bell.wait(0)  # of the probe
        await post.put()
        assert await bell.wait(10)


async def test_one_of_a_key_waits_and_another_is_not_written(post: Post, db: Any) -> None:
    made = await asyncio.gather(*(post.put(dedupe_key="reset of 1") for _ in range(10)))
    assert len([each for each in made if each is not None]) == 1
    assert await db.fetchval("SELECT count(*) FROM auth_messages") == 1


async def test_a_newer_one_takes_the_place_of_those_that_wait(post: Post, db: Any) -> None:
    made = await asyncio.gather(
        *(post.put(dedupe_key="reset of 1", link_id=number, supersede=True) for number in range(10))
    )
    assert None not in made
    rows = await db.fetch("SELECT state, count(*) FROM auth_messages GROUP BY state ORDER BY state")
    assert [tuple(row) for row in rows] == [("queued", 1), ("superseded", 9)]
    assert await db.fetchval("SELECT count(*) FROM auth_messages WHERE recipient IS NOT NULL") == 1


async def test_what_the_user_chose_is_the_language_and_else_that_of_who_asked(
    client: Any, post: Post, db: Any
) -> None:
    user = (await register(client))["user"]["id"]
    for language in ("fr", None):
        await post.put(user_id=user, language=language)
    await db.execute("UPDATE users SET language = 'de-CH'")
    await post.put(user_id=user, language="fr")
    await post.put(language="ja")
    rows = await db.fetch("SELECT language FROM auth_messages ORDER BY id")
    assert [row["language"] for row in rows] == ["fr", None, "de-CH", "ja"]


async def test_without_a_way_to_send_nothing_is_written(open_post: OpenPost, db: Any) -> None:
    off = await open_post(None)
    assert not off.outbox.is_on
    assert await off.put() is None
    assert await db.fetchval("SELECT count(*) FROM auth_messages") == 0


@pytest.mark.parametrize("kept", ["recipient", "data"])
async def test_what_is_done_with_cannot_keep_its_recipient_or_data(post: Post, db: Any, kept: str) -> None:
    await post.put()
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute(
            """
            UPDATE auth_messages SET state = 'sent', done_at = now(),
                recipient = CASE WHEN $1 = 'recipient' THEN recipient END,
                data = CASE WHEN $1 = 'data' THEN data END
            """,
            kept,
        )


async def test_a_deleted_user_takes_their_mails_along(client: Any, post: Post, db: Any) -> None:
    user = (await register(client, ADA))["user"]["id"]
    await post.put(user_id=user)
    await post.put(Mail.INVITATION)
    await post.put(recipient="other@example.com")
    await db.execute("INSERT INTO auth_undeliverable VALUES ($1, now(), '550 5.1.1')", ADA)
    async with post.gate.database.transaction() as conn:
        await store.erase(conn, user)
        await conn.execute("DELETE FROM users")
    assert [row["recipient"] for row in await db.fetch("SELECT recipient FROM auth_messages")] == [
        "other@example.com"
    ]
    assert await db.fetchval("SELECT count(*) FROM auth_undeliverable") == 0


async def test_when_and_from_where_is_in_the_data(post: Post, db: Any) -> None:
    client = Client(ip_address="203.0.113.7", user_agent="Mozilla/5.0")
    await post.put(data=asked(client, None))
    data = json.loads(await db.fetchval("SELECT data FROM auth_messages"))
    assert data["address"] == "203.0.113.7"
    assert data["at"].endswith("+00:00")


async def test_a_retry_makes_what_waits_due_and_nothing_else(post: Post, db: Any) -> None:
    first, second = await post.put(), await post.put()
    await db.execute("UPDATE auth_messages SET due_at = now() + interval '1 hour'")
    assert await post.outbox.retry(first) == 1
    assert await post.outbox.retry() == 2
    assert await post.outbox.retry((second or 0) + 1) == 0
    assert await db.fetchval("SELECT count(*) FROM auth_messages WHERE due_at <= now()") == 2
