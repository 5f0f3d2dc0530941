"""Projects, each of a user of Gatepost's: FastAPI, SQLAlchemy 2 and Alembic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from database import engine
from fastapi import Depends, FastAPI
from gatepost import AdminSession, CurrentSession, Gatepost, User
from gatepost.sqlalchemy import session_on
from models import Project
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import selectinload

auth = Gatepost()
session_maker = async_sessionmaker(engine, expire_on_commit=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with auth.lifespan(app):
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)
auth.install(app, pages=True)


async def get_db() -> AsyncIterator[AsyncSession]:
    async with session_maker() as session:
        yield session


Db = Annotated[AsyncSession, Depends(get_db)]


@auth.on_register
async def first_project(conn: Any, user: User) -> None:
    """Give everyone a project, in the transaction in which they register."""
    async with session_on(conn) as db:
        db.add(Project(owner_id=user.id, title=f"{user.name}'s first project"))


class NewProject(BaseModel):
    title: str


@app.get("/projects")
async def projects(session: CurrentSession, db: Db) -> list[str]:
    return list(await db.scalars(select(Project.title).where(Project.owner_id == session.user.id)))


@app.post("/projects", status_code=201)
async def add(project: NewProject, session: CurrentSession, db: Db) -> str:
    db.add(Project(owner_id=session.user.id, title=project.title))
    await db.commit()
    return project.title


@app.get("/projects/all")
async def all_projects(session: AdminSession, db: Db) -> dict[str, str]:
    found = await db.scalars(select(Project).options(selectinload(Project.owner)).order_by(Project.id))
    return {project.title: project.owner.email for project in found}
