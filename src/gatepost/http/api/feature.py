"""What a feature contributes to the API."""

from dataclasses import dataclass

from fastapi import APIRouter


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """Routes of a feature.

    Attributes:
        closed: routers of which every route asks for a session.
        public: routers for everybody.
    """

    closed: tuple[APIRouter, ...] = ()
    public: tuple[APIRouter, ...] = ()
