"""Sending: every mail arrives, at the right time and once; what can't be delivered is told and forgotten."""

import asyncio
import json
import os
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.smtp import SMTP
from tests.conftest import MovableClock, register
from tests.features.email.conftest import ADA, OpenPost, Post, Postman, hang_up, part

from gatepost.features.email import sender as sending
from gatepost.features.email import sending_store as store
from gatepost.features.email.mails import Mail
from gatepost.features.email.smtp import Smtp

MANY = 1000 if "FUZZ_EXAMPLES" in os.environ else 300
"""Mails that several send: a thousand in `make fuzz`, which take half a minute."""


async def state(db: Any) -> tuple[Any, ...]:
    """Return what became of the one mail."""
    row = await db.fetchrow("SELECT state, error, attempts, recipient, data, lease FROM auth_messages")
    return tuple(row)


async def test_a_mail_arrives_and_is_forgotten(post: Post, postman: Postman, db: Any) -> None:
    await post.put(link_id=7, mail=Mail.PASSWORD_RESET, data={"minutes": 30, "code_minutes": 10})
    assert await post.send() == 1
    ((recipient, mail),) = postman.taken
    assert (recipient, mail["To"], mail["From"]) == (ADA, ADA, "Acme <no-reply@acme.example>")
    assert "token=secret-of-7" in part(mail, "plain")
    assert await state(db) == ("sent", None, 1, None, None, None)
    assert post.links.spent_ids == [7]


async def test_a_mail_whose_link_is_over_is_not_sent(post: Post, postman: Postman, db: Any) -> None:
    post.links.over.add(7)
    await post.put(link_id=7, mail=Mail.PASSWORD_RESET)
    await post.send()
    assert postman.taken == []
    assert (await state(db))[:2] == ("superseded", None)


async def test_what_fails_for_now_is_tried_again_after_growing_waits(
    post: Post, postman: Postman, clock: MovableClock, db: Any
) -> None:
    replies = iter(["451 4.3.0 ada@example.com is greylisted"] * 6 + [None])
    postman.at_rcpt = lambda _: next(replies)
    clock.advance(seconds=1)
    await post.put()
    waits = []
    while not postman.taken:
        assert await post.send() == 1
        if not postman.taken:
            due = await db.fetchval("SELECT due_at FROM auth_messages")
            waits.append(round((due - post.gate.now()).total_seconds()))
            assert await post.send() == 0
            clock.advance(seconds=waits[-1] + 1)
    assert waits == [5, 30, 120, 600, 1800, 1800]
    assert (await state(db))[:3] == ("sent", None, 7)


async def test_waits_differ_so_that_what_failed_together_is_not_tried_together(post: Post) -> None:
    assert {sending.WAITS[0] * (1 + sending.JITTER * chance) for chance in (0, 1)} == {
        timedelta(seconds=5),
        timedelta(seconds=6.25),
    }


async def test_a_mail_is_never_sent_after_its_time(
    post: Post, postman: Postman, clock: MovableClock, db: Any
) -> None:
    postman.at_rcpt = lambda _: "450 4.2.2 full"
    clock.advance(seconds=1)
    await post.put(lifetime=timedelta(minutes=10), link_id=3, mail=Mail.PASSWORD_RESET)
    await post.send()
    postman.at_rcpt = lambda _: None
    clock.advance(minutes=11)
    assert await post.send() == 0
    assert postman.taken == []
    assert await state(db) == ("expired", "450 4.2.2", 1, None, None, None)
    assert post.links.spent_ids == [3]
    detail = await db.fetchval("SELECT detail FROM auth_events WHERE action = 'mail.failed'")
    assert json.loads(detail) == {"template": "password_reset", "reason": "expired"}


async def test_an_address_that_is_refused_for_good_gets_no_more_notices_until_it_is_proven(
    client: Any, post: Post, postman: Postman, db: Any
) -> None:
    user = (await register(client, ADA))["user"]["id"]
    postman.at_rcpt = lambda address: f"550 5.1.1 no {address} here"
    await post.put(user_id=user)
    await post.send()
    assert await state(db) == ("failed", "550 5.1.1", 1, None, None, None)
    event = await db.fetchrow("SELECT user_id, detail FROM auth_events WHERE action = 'mail.failed'")
    assert event["user_id"] == user
    assert json.loads(event["detail"]) == {
        "template": "password_changed",
        "reason": "refused",
        "error": "550 5.1.1",
        "undeliverable": True,
    }
    postman.at_rcpt = lambda _: None
    await post.put(recipient="ADA@Example.com")
    await post.send()
    assert postman.taken == []
    await post.put(link_id=1, mail=Mail.VERIFY_EMAIL)
    await post.send()
    assert [recipient for recipient, _ in postman.taken] == [ADA]
    async with post.gate.database.transaction() as conn:
        assert await post.outbox.is_undeliverable(conn, ADA)
        await post.outbox.proven(conn, ADA)
        assert not await post.outbox.is_undeliverable(conn, ADA)


@pytest.mark.parametrize("reply", ["554 5.7.1 relaying denied", "550 5.2.2 mailbox full", "552 too large"])
async def test_what_is_refused_for_another_reason_fails_and_says_nothing_of_the_address(
    post: Post, postman: Postman, db: Any, reply: str
) -> None:
    postman.at_rcpt = lambda _: reply
    await post.put()
    await post.send()
    assert (await state(db))[0] == "failed"
    assert await db.fetchval("SELECT count(*) FROM auth_undeliverable") == 0


async def test_what_is_no_address_fails(post: Post, db: Any) -> None:
    await post.put(recipient="not an address")
    await post.send()
    assert (await state(db))[:2] == ("failed", "not an address")


async def test_a_connection_that_ends_in_the_middle_of_a_mail_has_it_tried_again(
    post: Post, postman: Postman, clock: MovableClock, db: Any
) -> None:
    async def dies(server: SMTP, recipient: str) -> None:
        hang_up(server)

    postman.at_data = dies
    await post.put()
    await post.send()
    assert (await state(db))[:3] == ("queued", "SMTPServerDisconnected", 1)
    postman.at_data, postman.taken = None, []
    clock.advance(seconds=10)
    await post.send()
    assert len(postman.taken) == 1


async def test_a_server_that_does_not_answer_is_given_up(
    open_post: OpenPost, port: int, postman: Postman, db: Any
) -> None:
    async def hang(server: SMTP, recipient: str) -> None:
        await asyncio.Event().wait()

    postman.at_data = hang
    post = await open_post(f"smtp://127.0.0.1:{port}?tls=off", mail_timeout_seconds=1)
    await post.put()
    await post.send()
    assert (await state(db))[:2] == ("queued", "no answer in time")


async def test_a_worker_that_dies_after_the_claim_loses_nothing(
    post: Post, postman: Postman, clock: MovableClock, db: Any
) -> None:
    await post.put()
    async with post.gate.database.transaction() as conn:
        assert await store.claim(conn, uuid4(), limit=10, lasts=timedelta(minutes=2), at=None)
    assert await post.send() == 0
    clock.advance(minutes=3)
    assert await post.send() == 1
    assert len(postman.taken) == 1
    assert (await state(db))[0] == "sent"


async def test_a_worker_whose_lease_has_run_out_finishes_nothing(
    post: Post, clock: MovableClock, db: Any
) -> None:
    await post.put()
    slow, other, lasts = uuid4(), uuid4(), timedelta(minutes=2)
    async with post.gate.database.transaction() as conn:
        (message,) = await store.claim(conn, slow, limit=10, lasts=lasts, at=clock())
        clock.advance(minutes=3)
        assert len(await store.claim(conn, other, limit=10, lasts=lasts, at=clock())) == 1
        at = clock()
        assert not await store.finish(conn, message.id, slow, "failed", error="late", at=at)
        assert not await store.put_off(conn, message.id, slow, wait=lasts, error="late", at=at)
        assert await store.finish(conn, message.id, other, "sent", error=None, at=clock())
    assert (await state(db))[:3] == ("sent", None, 2)


async def test_a_mail_that_is_sent_twice_has_the_same_message_id_and_date(
    post: Post, postman: Postman, clock: MovableClock
) -> None:
    await post.put()
    sender = post.sender()
    done = sender._finish

    async def dies(*_: Any, **__: Any) -> bool:
        raise RuntimeError("the process ended here")

    sender._finish = dies  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await sender.step()
    sender._finish = done  # type: ignore[method-assign]
    clock.advance(minutes=5)
    assert await post.send() == 1
    (_, first), (_, second) = postman.taken
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]


async def test_several_workers_send_many_mails_with_failures_and_none_twice(
    post: Post, postman: Postman, clock: MovableClock, db: Any
) -> None:
    count, seen = MANY, Counter[str]()

    def moody(address: str) -> str | None:
        seen[address] += 1
        number = int(address[4:].partition("@")[0])
        return "451 4.3.0 later" if number % 5 == 0 and seen[address] < 3 else None

    async def hangs_up(server: SMTP, recipient: str) -> str | None:
        if seen[recipient] == 1 and int(recipient[4:].partition("@")[0]) % 7 == 1:
            hang_up(server)
            return "451 4.3.0 gone"
        return None

    postman.at_rcpt, postman.at_data = moody, hangs_up
    clock.advance(seconds=1)
    await asyncio.gather(*(post.put(recipient=f"user{number}@example.com") for number in range(count)))

    async def work() -> None:
        sender = post.sender()
        while await sender.step():
            pass

    for _ in range(4):
        await asyncio.gather(*(work() for _ in range(4)))
        clock.advance(minutes=3)
    assert Counter(recipient for recipient, _ in postman.taken) == {
        f"user{number}@example.com": 1 for number in range(count)
    }
    assert await db.fetchval("SELECT count(*) FROM auth_messages WHERE state = 'sent'") == count


async def test_no_secret_is_in_the_database_or_the_log_before_or_after(
    post: Post, postman: Postman, clock: MovableClock, db: Any, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    replies = iter([f"451 4.3.0 {ADA} later", None])
    postman.at_rcpt = lambda _: next(replies)
    await post.put(link_id=7, mail=Mail.PASSWORD_RESET, data={"minutes": 30})
    for _ in range(2):
        rows = await db.fetch("SELECT to_jsonb(m)::text AS row FROM auth_messages m")
        assert not any("secret-of" in row["row"] or "12345678" in row["row"] for row in rows)
        await post.send()
        clock.advance(minutes=1)
    assert len(postman.taken) == 1
    (row,) = await db.fetch("SELECT to_jsonb(m)::text AS row FROM auth_messages m")
    assert "secret-of" not in row["row"]
    assert ADA not in row["row"]
    printed = capsys.readouterr()
    assert not any(each in caplog.text + printed.out + printed.err for each in (ADA, "secret-of", "12345678"))


async def test_in_the_background_a_mail_is_sent_as_soon_as_it_is_committed(
    post: Post, postman: Postman
) -> None:
    sent = asyncio.Event()

    async def note(server: SMTP, recipient: str) -> None:
        sent.set()

    postman.at_data = note
    sender = post.sender()
    sender.start()
    try:
        await post.put()
        async with asyncio.timeout(20):
            await sent.wait()
    finally:
        await sender.close()


async def test_the_application_may_send_by_itself(open_post: OpenPost, db: Any, clock: MovableClock) -> None:
    post: Post = await open_post(None)
    given = []

    async def send(message: Any) -> None:
        given.append(message)
        if len(given) == 1:
            raise ValueError(f"the provider knows no {ADA}")
        if len(given) == 2:
            raise asyncio.CancelledError  # what it waited for was cancelled, and not the sender

    await post.gate.close()
    post.gate.mailer = send
    await post.gate.open(background=False)
    await post.put()
    await post.send()
    queued, why, *_ = await state(db)
    assert queued == "queued"
    assert why.startswith("ValueError at test_sender.py:")
    clock.advance(minutes=1)
    await post.send()
    assert (await state(db))[1].startswith("CancelledError at test_sender.py:")
    clock.advance(minutes=1)
    await post.send()
    assert (await state(db))[0] == "sent"
    assert given[0]["Message-ID"] == given[2]["Message-ID"]


async def test_a_mail_that_a_library_fails_on_keeps_no_other_from_being_sent(
    post: Post, postman: Postman, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Smtp.send

    async def fails(transport: Smtp, message: Any) -> None:
        if message["To"] != ADA:
            raise UnicodeError(f"no {message['To']}")
        await send(transport, message)

    monkeypatch.setattr(Smtp, "send", fails)
    await post.put(recipient="bob@example.com")
    await post.put()
    await post.send()
    assert [recipient for recipient, _ in postman.taken] == [ADA]
    waits = await db.fetchrow("SELECT lease, error FROM auth_messages WHERE state = 'queued'")
    assert waits["lease"] is None
    assert waits["error"].startswith("UnicodeError at test_sender.py:")


async def test_what_is_done_with_goes_with_the_history(post: Post, db: Any, clock: MovableClock) -> None:
    await post.put()
    await post.send()
    await post.put(lifetime=timedelta(days=1))
    await db.execute(
        "INSERT INTO auth_undeliverable VALUES ('old@example.com', now() - interval '181 days', 'x')"
    )
    clock.advance(days=3)
    await post.gate.housekeeping._clean(alone=False, progress=None)
    assert (await state(db))[0] == "sent"
    assert await db.fetchval("SELECT count(*) FROM auth_undeliverable") == 0
    clock.advance(days=91)
    await post.gate.housekeeping._clean(alone=False, progress=None)
    assert await db.fetchval("SELECT count(*) FROM auth_messages") == 0
