"""Commands of `arignote` that are about models; `arignote.frontends.cli.main` names them."""
