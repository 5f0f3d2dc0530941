"""What is limited."""

from enum import StrEnum


class Bucket(StrEnum):
    """What the kernel limits: `auth_throttles.bucket`, and behind `THROTTLE_` the name of its setting.

    Each belongs to somebody, an address, a network, an account or a sign-in, so that who fills it stands in
    nobody else's way; but for `REGISTER_TOTAL`, which is charged for nothing that was refused.
    """

    LOGIN_ADDRESS = "login_address"
    LOGIN_NETWORK = "login_network"
    LOGIN_ACCOUNT = "login_account"
    LOGIN_KNOWN = "login_known"
    FORM_ADDRESS = "form_address"
    REGISTER_ADDRESS = "register_address"
    REGISTER_NETWORK = "register_network"
    REGISTER_TOTAL = "register_total"
    LINK_ADDRESS = "link_address"
    """Links that are no good, and registrations of those who may not; as many as `REGISTER_ADDRESS` has."""
    LINK_NETWORK = "link_network"
    """The same of a network; as many as `REGISTER_NETWORK` has."""
    REFRESH_SESSION = "refresh_session"
    REFRESH_ADDRESS = "refresh_address"
    CONFIRM_USER = "confirm_user"
    FACTOR_USER = "factor_user"
    """Wrong answers of one user, whatever the factor and the sign-in; from known places another one."""
    EVENT = "event"
    """Events `throttled` themselves; it has no setting."""
    BLOCK = "block"
    """Of what is refused for a block (`auth_blocks`): nothing is counted, and its key is the network."""
