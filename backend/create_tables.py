"""Make the tables in the database of DATABASE_URL, or in the embedded one: what `gatepost migrate` does."""

from gatepost.cli import main

if __name__ == "__main__":
    main(["migrate"])
