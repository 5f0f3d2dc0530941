"""The same route with Gatepost's `CurrentSession`."""

from fastapi import FastAPI

from gatepost import CurrentSession, Gatepost

auth = Gatepost()
app = FastAPI(lifespan=auth.lifespan)
auth.install(app)


@app.get("/notes")
async def notes(session: CurrentSession):
    return {"owner": session.user.email}
