"""`python -m translator`: the same as the `translator` command."""

from translator.cli.main import run

if __name__ == "__main__":
    run()
