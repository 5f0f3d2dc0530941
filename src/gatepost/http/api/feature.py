"""What a feature contributes to the API."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import APIRouter
from starlette.routing import Route

from gatepost.http.api.responses import Kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Routes of a feature.

    Attributes:
        closed: routers of which every route asks for a session.
        public: routers for everybody.
        well_known: what stands at the root of the application, below `/.well-known` (RFC 8615).
        errors: id of an operation of the kernel → what it may also answer with, because of the feature.
    """

    closed: tuple[APIRouter, ...] = ()
    public: tuple[APIRouter, ...] = ()
    well_known: tuple[Route, ...] = ()
    errors: Mapping[str, Kinds] = field(default_factory=dict)
