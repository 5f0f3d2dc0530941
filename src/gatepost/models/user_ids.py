"""A user's id, which is of the application's type: a number, a UUID or a text."""

import re
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from gatepost.models.bounds import USER_ID_MAX

UserId: TypeAlias = int | UUID | str
"""As the driver has it: a number of `integer` and `bigint`, a UUID, a text of `text` and `varchar`."""

_DIGITS_MAX = 19
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


class UserIdType(StrEnum):
    """The type of the column `users.id`, and of all that refers to a user."""

    SMALLINT = "smallint"
    INTEGER = "integer"
    BIGINT = "bigint"
    UUID = "uuid"
    TEXT = "text"

    @property
    def highest(self) -> int | None:
        """The greatest number that the column holds; None where ids are no numbers."""
        return _HIGHEST.get(self)

    @property
    def lowest(self) -> UserId:
        """What every id is greater than, by the database's order."""
        if self is UserIdType.UUID:
            return UUID(int=0)
        return "" if self.highest is None else -self.highest - 1

    @property
    def nobody(self) -> UserId:
        """What stands for no user where a column can't be NULL."""
        return self.lowest if self.highest is None else 0

    def parse(self, text: str) -> UserId | None:
        """Read an id from an address, a form or a command's argument; None where it can be none.

        A number that its column can't hold is none: PostgreSQL would refuse the statement.
        """
        if self is UserIdType.UUID:
            return UUID(text) if _UUID.fullmatch(text) else None
        if self.highest is None:
            return text if 0 < len(text) <= USER_ID_MAX and text.isprintable() else None
        is_number = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX
        return int(text) if is_number and 1 <= int(text) <= self.highest else None

    def of_code(self, given: UserId) -> UserId | None:
        """Read an id that an application's own code gives, as text too; None where it can be none.

        The driver would take 1.5 and True for the user 1.
        """
        if isinstance(given, str):
            return self.parse(given)
        if self.highest is None:
            return given if self is UserIdType.UUID and isinstance(given, UUID) else None
        if isinstance(given, bool) or not isinstance(given, int):
            return None
        return given if -self.highest <= given <= self.highest else None

    def of_json(self, given: int | str) -> UserId | None:
        """Read an id as `as_json` returns one; None where it can be none."""
        if self.highest is None or isinstance(given, str):
            return self.parse(given) if self.highest is None and isinstance(given, str) else None
        return given if -self.highest <= given <= self.highest else None


_HIGHEST = {
    UserIdType.SMALLINT: 2**15 - 1,
    UserIdType.INTEGER: 2**31 - 1,
    UserIdType.BIGINT: 2**63 - 1,
}


def as_json(user_id: UserId) -> int | str:
    """Return an id as JSON has it: a number or a string."""
    return str(user_id) if isinstance(user_id, UUID) else user_id
