"""What a feature has in the database: its tables, how they came to be, and what a server may do to them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a feature.

    Attributes:
        name: of the table.
        columns: all that it must have.
        insert: those that the server's role may set in new rows; empty where it adds none.
        update: those that it may change; empty where it changes none.
        deletes: it may delete rows. It may always read them.
    """

    name: str
    columns: tuple[str, ...]
    insert: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    deletes: bool = False

    @property
    def rights(self) -> tuple[str, ...]:
        """What the server's role needs, as GRANT has it."""
        of_columns = (("INSERT", self.insert), ("UPDATE", self.update))
        return (
            "SELECT",
            *(["DELETE"] if self.deletes else []),
            *(f"{verb} ({', '.join(columns)})" for verb, columns in of_columns if columns),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The tables of a feature.

    Attributes:
        feature: its name.
        folder: of its `.sql` files, each a version of them, run once in the order of their names. `{user_id}`
            stands in them for the type of columns that refer to users.
        tables: what they make.
        indexes, triggers, functions: those that must be there, by name; a feature's names begin with its own.
    """

    feature: str
    folder: Path
    tables: tuple[Table, ...] = ()
    indexes: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[str, ...]:
        """Every version, oldest first."""
        return tuple(sorted(file.stem for file in self.folder.glob("*.sql")))

    @property
    def head(self) -> str:
        """The version that this Gatepost works with."""
        return self.versions[-1]

    def script(self, before: str | None) -> str:
        """Return the SQL that takes its tables from a version to the newest; None is nothing at all."""
        versions = self.versions[self.versions.index(before) + 1 if before else 0 :]
        files = ((self.folder / f"{version}.sql").read_text(encoding="utf-8") for version in versions)
        return "\n\n".join(
            part
            for version, text in zip(versions, files, strict=True)
            for part in (f"-- {self.feature}, version {version}", text.strip(), _note(self.feature, version))
        )


Schemas: TypeAlias = tuple[Schema, ...]
"""Those of the features of a Gatepost."""


def _note(feature: str, version: str) -> str:
    return f"""INSERT INTO gatepost_features (feature, version) VALUES ('{feature}', '{version}')
    ON CONFLICT (feature) DO UPDATE SET version = excluded.version;

INSERT INTO auth_events (action, detail)
    VALUES ('schema.migrated', '{{"feature": "{feature}", "version": "{version}"}}');"""  # noqa: S608 - of the code
