"""Hashes are salted anew in every process, and so are no names for tests."""


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    return argname if isinstance(val, str) and "$" in val else None
