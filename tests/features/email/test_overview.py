"""What the console's overview says of mail."""

from datetime import timedelta

from tests.http.conftest import Database
from tests.http.pages.conftest import Visitor

FAILED = """
    INSERT INTO auth_messages (template, state, created_at, due_at, expires_at, done_at)
    SELECT 'test', $1, now(), now(), now(), now() - $2::interval
"""
LATE = """
    INSERT INTO auth_messages (template, recipient, data, created_at, due_at, expires_at, error)
    SELECT 'test', 'ada@example.com', '{}', now(), now(), now() + interval '1 hour', $1
"""


async def said(admin: Visitor) -> str:
    await admin.get("/auth/admin")
    assert admin.answer.status_code == 200
    return admin.answer.text


async def test_it_says_how_many_failed_on_the_last_day_and_how_many_wait_for_another_try(
    admin: Visitor, db: Database
) -> None:

    await db.execute(FAILED, "sent", timedelta())
    await db.execute(FAILED, "failed", timedelta(days=2))
    await db.execute(LATE, None)
    assert "Mail has problems" not in await said(admin)
    await db.execute(FAILED, "failed", timedelta(hours=1))
    await db.execute(FAILED, "expired", timedelta(hours=2))
    await db.execute(LATE, "450 4.2.2")
    page = await said(admin)
    assert "Mail has problems" in page
    assert "2 mails could not be delivered in the last 24 hours." in page
    assert "1 mail is waiting for another try." in page
    assert 'href="/auth/admin/events?action=mail.failed"' in page
    await admin.get("/auth/admin/events?action=mail.failed")
    assert admin.answer.status_code == 200
