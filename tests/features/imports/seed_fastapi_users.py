"""Fill the application of docs/coming-from-fastapi-users.md by the library itself, where that is installed.

Writes users' ids and their tokens into made.json.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import app
from fastapi_users.db import SQLAlchemyUserDatabase
from fastapi_users.schemas import BaseUserCreate
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseOAuthAccountTableUUID
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy import update

PASSWORD = "securepassword123"


class OAuthAccount(SQLAlchemyBaseOAuthAccountTableUUID, app.Base):
    pass


async def main() -> dict[str, dict[str, str]]:
    async with app.engine.begin() as conn:
        await conn.run_sync(app.Base.metadata.create_all)
    made, tokens = {}, {}
    async with app.session_maker() as db:
        manager = app.UserManager(SQLAlchemyUserDatabase(db, app.User))
        strategy = app.get_strategy(db)
        for name in ("ada", "grace", "gone", "Twin", "twin"):
            user = (
                await manager.create(
                    BaseUserCreate(
                        email=f"{name}@example.com",
                        password=PASSWORD,
                        is_superuser=name == "ada",
                        is_verified=name == "ada",
                        is_active=name != "gone",
                    )
                )
                if name != "twin"
                else await manager.user_db.create(
                    {"email": "twin@example.com", "hashed_password": manager.password_helper.hash(PASSWORD)}
                )
            )
            made[name] = str(user.id)
            if name in {"ada", "grace", "gone"}:
                tokens[name] = await strategy.write_token(user)
                db.add(app.Project(owner_id=user.id, title=f"{name}'s"))
        await db.execute(
            update(app.User)
            .where(app.User.email == "grace@example.com")
            .values(hashed_password=BcryptHasher(rounds=4).hash(PASSWORD))
        )
        await db.execute(
            update(app.AccessToken)
            .where(app.AccessToken.token == tokens["grace"])
            .values(created_at=datetime.now(UTC) - timedelta(hours=2))
        )
        db.add(
            OAuthAccount(
                user_id=made["ada"],
                oauth_name="google",
                access_token="never-read",
                account_id="1",
                account_email="ada@example.com",
            )
        )
        await db.commit()
    await app.engine.dispose()
    return {"users": made, "tokens": tokens}


Path("made.json").write_text(json.dumps(asyncio.run(main())))
