"""The API behind the page: Gatepost, and notes that stay in memory."""

from collections import defaultdict

from fastapi import FastAPI
from gatepost import CurrentSession, Gatepost
from pydantic import BaseModel

auth = Gatepost()
app = FastAPI(lifespan=auth.lifespan)
auth.install(app, cors=True)  # these routes, too, may be asked by pages of ALLOWED_ORIGINS

notes_of = defaultdict[int, list[str]](list)


class Note(BaseModel):
    text: str


@app.get("/notes")
async def notes(session: CurrentSession) -> list[str]:
    return notes_of[session.user.id]


@app.post("/notes")
async def add(note: Note, session: CurrentSession) -> list[str]:
    notes_of[session.user.id].append(note.text)
    return notes_of[session.user.id]
