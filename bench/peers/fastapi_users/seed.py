"""Make the tables from the models, fill them, and print credentials: one a line, as JSON."""

import asyncio
import json
import os

from app import Base, engine
from sqlalchemy import text

USERS, SESSIONS, TOKENS = (
    int(os.environ[name]) for name in ("BENCH_USERS", "BENCH_SESSIONS", "BENCH_TOKENS")
)


async def main() -> None:
    async with engine.begin() as conn:
        await conn.run_sync(Base.metadata.create_all)
        await conn.execute(
            text("""
                INSERT INTO "user" (id, email, hashed_password, is_active, is_superuser, is_verified)
                SELECT md5('user' || i)::uuid, 'user' || i || '@example.com', '!', true, false, true
                FROM generate_series(1, CAST(:users AS integer)) i
            """),
            {"users": USERS},
        )
        # Tokens as the library makes them: secrets.token_urlsafe(), 43 characters.
        await conn.execute(
            text("""
                INSERT INTO accesstoken (token, user_id, created_at)
                SELECT left(md5(gen_random_uuid()::text) || md5(i::text), 43),
                    md5('user' || (i - 1) % CAST(:users AS integer) + 1)::uuid, now()
                FROM generate_series(1, CAST(:sessions AS integer)) i
            """),
            {"users": USERS, "sessions": SESSIONS},
        )
        found = await conn.execute(
            text("""
                SELECT t.token, u.email FROM accesstoken t JOIN "user" u ON u.id = t.user_id
                ORDER BY random() LIMIT :tokens
            """),
            {"tokens": TOKENS},
        )
        for token, email in found:
            print(json.dumps({"header": f"Authorization: Bearer {token}", "email": email}))
    await engine.dispose()


asyncio.run(main())
