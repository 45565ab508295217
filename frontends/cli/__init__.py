"""The command `arignote`."""
