"""What a process of the run works out once, though every application of a test would anew."""

from collections.abc import Callable
from types import CodeType
from typing import Any

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource


class CompiledTemplates(BytecodeCache):
    """What templates were compiled to in this process."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


def remember_fields() -> None:
    """Have pydantic-settings ask once how a field is read: that is half of what reading settings takes."""
    ask: Callable[..., tuple[bool, bool]] = EnvSettingsSource._field_is_complex
    known: dict[int, tuple[FieldInfo, tuple[bool, bool]]] = {}

    def is_complex(source: Any, field: FieldInfo) -> tuple[bool, bool]:
        if id(field) not in known:  # fields are kept, so that no other has the number of one
            known[id(field)] = field, ask(source, field)
        return known[id(field)][1]

    setattr(EnvSettingsSource, ask.__name__, is_complex)
