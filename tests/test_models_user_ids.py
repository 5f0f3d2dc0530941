"""What is a user's id, by the type that the database has."""

from uuid import UUID

import pytest

from gatepost.models import UserId, UserIdType, as_json

UUID_TEXT = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@pytest.mark.parametrize(
    ("ids", "text", "found"),
    [
        (UserIdType.INTEGER, "42", 42),
        (UserIdType.INTEGER, "2147483647", 2**31 - 1),
        (UserIdType.INTEGER, "2147483648", None),
        (UserIdType.SMALLINT, "32768", None),
        (UserIdType.BIGINT, "9223372036854775807", 2**63 - 1),
        (UserIdType.BIGINT, "9223372036854775808", None),
        (UserIdType.BIGINT, "1" * 5000, None),
        *(
            (UserIdType.INTEGER, text, None)
            for text in ("", "0", "-1", "+1", " 1", "1.0", "1_0", "²", "٣", UUID_TEXT)
        ),
        (UserIdType.UUID, UUID_TEXT, UUID(UUID_TEXT)),
        (UserIdType.UUID, UUID_TEXT.upper(), UUID(UUID_TEXT)),
        *(
            (UserIdType.UUID, text, None)
            for text in ("", "1", UUID_TEXT.replace("-", ""), f"{{{UUID_TEXT}}}", UUID_TEXT[:-1] + "g")
        ),
        (UserIdType.TEXT, "cm4x0ldk30000", "cm4x0ldk30000"),
        (UserIdType.TEXT, "auth0|507f1f77", "auth0|507f1f77"),
        (UserIdType.TEXT, "x" * 255, "x" * 255),
        *((UserIdType.TEXT, text, None) for text in ("", "x" * 256, "a\0", "a\n", "\ud800")),
    ],
)
def test_a_text_is_an_id_or_none(ids: UserIdType, text: str, found: UserId | None) -> None:
    assert ids.parse(text) == found


@pytest.mark.parametrize("user_id", [1, -5, UUID(UUID_TEXT), "cm4x0ldk30000"])
def test_json_brings_an_id_back(user_id: UserId) -> None:
    fits = {int: UserIdType.INTEGER, UUID: UserIdType.UUID, str: UserIdType.TEXT}[type(user_id)]
    assert fits.of_json(as_json(user_id)) == user_id


@pytest.mark.parametrize(
    ("ids", "given"),
    [
        (UserIdType.INTEGER, "1"),
        (UserIdType.INTEGER, 2**31),
        (UserIdType.INTEGER, -(2**31)),
        (UserIdType.UUID, 1),
        (UserIdType.UUID, "1"),
        (UserIdType.TEXT, 1),
    ],
)
def test_json_of_another_type_is_no_id(ids: UserIdType, given: int | str) -> None:
    assert ids.of_json(given) is None


@pytest.mark.parametrize("ids", UserIdType)
def test_nobody_is_no_user_that_a_new_table_holds(ids: UserIdType) -> None:
    assert ids.of_json(as_json(ids.nobody)) in {None, ids.nobody}
    assert ids.lowest <= ids.nobody  # type: ignore[operator]  # both are of one type
