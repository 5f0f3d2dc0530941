"""Who may see the console: administrators with a fresh session."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI
from tests.conftest import PASSWORD, MakeSettings, MovableClock, serving
from tests.http.conftest import Database, events

from gatepost.app import create_app
from gatepost.http.gatepost import Gatepost
from gatepost.models import Client

ORIGIN = "http://localhost:8000"
