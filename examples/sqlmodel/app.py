"""Tasks, each of a user of Gatepost's: FastAPI and SQLModel."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from gatepost import CurrentSession, Gatepost
from gatepost.sqlalchemy import User
from sqlalchemy import Column, ForeignKey
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession


class TaskBase(SQLModel):
    title: str


class Task(TaskBase, table=True):
    id: int | None = Field(default=None, primary_key=True)
    owner_id: int = Field(sa_column=Column(ForeignKey(User.id, ondelete="CASCADE"), nullable=False))


engine = create_async_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"))
auth = Gatepost()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as conn:
        await conn.run_sync(SQLModel.metadata.create_all)
    async with auth.lifespan(app):
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
auth.install(app, pages=True)


async def get_db() -> AsyncIterator[AsyncSession]:
    async with AsyncSession(engine) as session:
        yield session


Db = Annotated[AsyncSession, Depends(get_db)]


@app.get("/tasks")
async def tasks(session: CurrentSession, db: Db) -> list[Task]:
    return list(await db.exec(select(Task).where(Task.owner_id == session.user.id).order_by(Task.id)))


@app.post("/tasks", status_code=201)
async def add(new: TaskBase, session: CurrentSession, db: Db) -> Task:
    task = Task(title=new.title, owner_id=session.user.id)
    db.add(task)
    await db.commit()
    await db.refresh(task)
    return task
