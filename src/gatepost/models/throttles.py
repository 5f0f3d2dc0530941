"""What is limited."""

from enum import StrEnum


class Bucket(StrEnum):
    """What is limited: `auth_throttles.bucket`, and behind `THROTTLE_` the name of its setting."""

    LOGIN_ADDRESS = "login_address"
    LOGIN_NETWORK = "login_network"
    LOGIN_ACCOUNT = "login_account"
    LOGIN_KNOWN = "login_known"
    FORM_ADDRESS = "form_address"
    REGISTER_ADDRESS = "register_address"
    REGISTER_TOTAL = "register_total"
    REFRESH_SESSION = "refresh_session"
    REFRESH_ADDRESS = "refresh_address"
    CONFIRM_USER = "confirm_user"
    EVENT = "event"
    """Events `throttled` themselves; it has no setting."""
