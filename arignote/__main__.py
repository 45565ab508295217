"""`python -m arignote`: the command, also where its script is not on the path."""

from arignote.frontends.cli.main import main

main(prog_name="arignote")
