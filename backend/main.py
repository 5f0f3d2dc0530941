"""The application that `uvicorn main:app` serves; importing it reads the settings and opens nothing."""

import sys

from gatepost import Settings
from gatepost.app import create_app
from gatepost.errors import SettingsError
from gatepost.log import configure

try:
    settings = Settings.load()
except SettingsError as error:
    sys.exit("\n".join(error.problems))

configure(settings.effective_log_level, settings.effective_log_format)
app = create_app(settings)
