"""Mail leads somewhere, or is off."""

import pytest
from tests.conftest import SECRET_KEY, MakeSettings, serving

from gatepost.app import create_app
from gatepost.errors import SettingsError
from gatepost.features import FEATURES
from gatepost.features.email.outbox import Outbox
from gatepost.settings.feature import settings_of

pytestmark = pytest.mark.usefixtures("resting")


def test_production_with_a_mail_server_needs_the_origin_that_links_begin_with() -> None:
    given = {"environment": "production", "secret_key": SECRET_KEY, "mail_url": "smtps://smtp.example.com"}
    with pytest.raises(SettingsError, match="PUBLIC_URL: the links in mails begin with it"):
        settings_of(FEATURES).load(env_file=None, **given)
    settings_of(FEATURES).load(env_file=None, **given, public_url="https://auth.example.com")


@pytest.mark.parametrize(("host", "is_on"), [("127.0.0.1", True), ("192.0.2.7", False)])
async def test_where_nobody_knows_the_origin_there_is_no_mail(
    make_settings: MakeSettings, host: str, is_on: bool
) -> None:
    app = create_app(make_settings(mail_url="smtp://127.0.0.1:9?tls=off", host=host))
    async with serving(app) as client:
        assert app.state.gatepost.service(Outbox).is_on is is_on
        assert (await client.get("/auth/forgot-password")).status_code == (200 if is_on else 404)
