"""A board of notes: pages made on the server with Jinja2, parts of them changed by htmx.

    pip install gatepost jinja2 python-multipart uvicorn
    uvicorn app:app
"""

from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request, Response
from fastapi.templating import Jinja2Templates

from gatepost import Gatepost, OptionalSession, PageSession

auth = Gatepost()
app = FastAPI(lifespan=auth.lifespan)
auth.install(app, pages=True)

templates = Jinja2Templates(Path(__file__).parent / "templates")
templates.env.globals.update(url_for_auth=auth.url_for, form_token=auth.form_token)

notes: list[tuple[str, str]] = []


@app.get("/")
async def home(request: Request, session: OptionalSession) -> Response:
    """Greet whoever comes."""
    return templates.TemplateResponse(request, "home.html", {"session": session})


@app.get("/board")
async def board(request: Request, session: PageSession) -> Response:
    """Show the board; a stranger signs in first and comes back."""
    return templates.TemplateResponse(request, "board.html", {"session": session, "notes": notes})


@app.post("/board")
async def add(request: Request, session: PageSession, text: Annotated[str, Form()]) -> Response:
    """Add a note, and answer the list for htmx to put in its place."""
    notes.append((session.user.name, text))
    return templates.TemplateResponse(request, "notes.html", {"notes": notes})
