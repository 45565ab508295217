"""`arignote explore`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from arignote.models.commands.options import set_option, user_errors
from arignote.models.programs import Spec


@click.command()
@click.argument("what", metavar="MODEL|FILE.ari|SCRIPT.py:FUNCTION")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The page; NAME.html by default.")
@click.option("--serve", is_flag=True, help="Show the page at an address of this machine, instead of writing it.")
@click.option("--port", type=click.IntRange(0, 65535), default=8033, show_default=True, help="For --serve; 0: any.")
@click.option("--run/--no-run", default=True, show_default=True, help="Call the function to measure its operations.")
@click.option("--size", "sizes", multiple=True, metavar="NAME=N", help="The size of a dimension, as `dump` names it.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--only", metavar="FUNC", help="One function of a model or file: train, or the first, by default.")
@set_option
@user_errors
def explore(
    what: str,
    output: Path | None,
    serve: bool,
    port: int,
    run: bool,
    sizes: tuple[str, ...],
    device: str,
    only: str | None,
    settings: tuple[str, ...],
) -> None:
    """Make a page that shows a function behind every pass of the compiler: text, graph, memory, kernels and times.

    The page is one file that needs no network. A function of a model or script is called on random arguments to measure
    its operations; files of IR are not run.
    """
    from arignote.frontends.explore.page import page
    from arignote.frontends.explore.record import record
    from arignote.frontends.tensor import Function
    from arignote.models.commands.profile import example_arguments, parse_size

    spec = Spec.parse(what)
    spec = replace(spec, settings=(*spec.settings, *settings), only=only or spec.only)
    program = spec.programs()[0]
    arguments = None
    if run and device == "cpu" and isinstance(program, Function):
        arguments = example_arguments(program, dict(parse_size(s) for s in sizes))
    try:
        recording = record(program, arguments, device)
    except (ValueError, IndexError) as error:  # random arguments that do not fit
        if arguments is None:
            raise
        click.echo(f"the function does not take random arguments, so nothing is measured: {error}", err=True)
        recording = record(program, None, device)
    text = page(recording)
    if serve:
        _serve(text, port)
        return
    path = output or Path(f"{recording.name}.html")
    path.write_text(text, encoding="utf-8")
    click.echo(f"{path}: {len(recording.steps)} steps, {len(text.encode()) / 1e6:.2f} MB")


def _serve(text: str, port: int) -> None:
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    body = text.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.partition("?")[0] == "/"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Requests are not shown."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be used: {error}; choose another with --port") from None
    with server:
        click.echo(f"http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()
