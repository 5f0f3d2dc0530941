"""The same route with a dependency that answers at once: what FastAPI takes for any dependency."""

from typing import Annotated

from fastapi import Depends, FastAPI

app = FastAPI()


async def caller():
    return "user1@example.com"


@app.get("/notes")
async def notes(email: Annotated[str, Depends(caller)]):
    return {"owner": email}
