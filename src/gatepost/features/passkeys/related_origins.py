"""The origins whose pages may ask for this site's passkeys, for browsers that are at another one of them."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gatepost.features.passkeys.settings import PasskeySettings

PATH = "/.well-known/webauthn"


async def related_origins(request: Request) -> Response:
    """Name them (WebAuthn §5.11), where there are several; browsers ask at the host that is the RP ID."""
    settings: PasskeySettings = request.app.state.gatepost.settings_as(PasskeySettings)
    origins = settings.webauthn_origins
    if settings.rp_id is None or len(origins) < 2:
        raise HTTPException(404)
    return JSONResponse({"origins": origins})


ROUTES = (Route(PATH, related_origins),)
