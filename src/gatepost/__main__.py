"""`gatepost`, and `python -m gatepost`."""

import sys


def main() -> None:
    """Run the commands, which an application that has the library alone does without."""
    try:
        from gatepost.cli import main as run
    except ModuleNotFoundError as missing:
        if missing.name not in {"rich", "typer"}:
            raise
        sys.exit("The commands are not installed here. Run: pip install 'gatepost[server]'")
    run()


if __name__ == "__main__":
    main()
