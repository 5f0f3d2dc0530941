"""Write clients/js/src/types.ts, the shapes of what the API takes and answers, from the OpenAPI document.

python -m scripts.render_client [--check]
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.render_http import openapi

TARGET = Path(__file__).resolve().parent.parent / "clients" / "js" / "src" / "types.ts"
_HEAD = "// Made from the OpenAPI document by scripts/render_client.py: change it there.\n"
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def types() -> str:
    """Return the text of types.ts."""
    shapes: Mapping[str, Mapping[str, Any]] = openapi()["components"]["schemas"]
    wanted = {name: shape for name, shape in shapes.items() if "Envelope" not in name}
    return _HEAD + "".join(_declared(_name(name), shape) for name, shape in sorted(wanted.items()))


def _name(name: str) -> str:
    return name.removesuffix("Data")


def _declared(name: str, shape: Mapping[str, Any]) -> str:
    if name == "UserId":  # a number or a string, by the server's database
        return f"\n{_comment(shape).lstrip()}export type {name} = number | string;\n"
    if "properties" not in shape:
        return f"\nexport type {name} = {_type(shape)};\n"
    needed = set(shape.get("required", ()))
    lines = [
        f"{_comment(field)}  {key}{'' if key in needed else '?'}: {_type(field)};\n"
        for key, field in shape["properties"].items()
    ]
    return f"\nexport interface {name} {{\n{''.join(lines)}}}\n"


def _comment(field: Mapping[str, Any]) -> str:
    told = field.get("description")
    return f"  /** {' '.join(told.split())} */\n" if told else ""


def _type(field: Mapping[str, Any]) -> str:
    match field:
        case {"$ref": str(reference)}:
            return _name(reference.rpartition("/")[2])
        case {"anyOf": kinds} | {"oneOf": kinds}:
            return " | ".join(dict.fromkeys(_type(kind) for kind in kinds))
        case {"allOf": [kind]}:
            return _type(kind)
        case {"const": value}:
            return json.dumps(value)
        case {"enum": values}:
            return " | ".join(json.dumps(value) for value in values)
        case {"type": "array", "items": item}:
            of = _type(item)
            return f"({of})[]" if "|" in of else f"{of}[]"
        case {"type": "object", "additionalProperties": dict() as value}:
            return f"Record<string, {_type(value)}>"
        case {"type": "object"}:
            return "Record<string, unknown>"
        case {"type": str(kind)}:
            return _PLAIN[kind]
    return "unknown"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(
            0 if TARGET.read_text() == types() else f"{TARGET.name} is stale: run scripts/render_client.py"
        )
    TARGET.write_text(types())
