"""A route of FastAPI's that asks nobody who calls."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/notes")
async def notes():
    return {"owner": "user1@example.com"}
