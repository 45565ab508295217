"""The page of `arignote explore`: one file with its style, its code and its data, which asks for nothing else."""

from __future__ import annotations

import base64
import html
import json
import zlib
from importlib.resources import files
from typing import Any

from arignote.frontends.explore.pagedata import PageData
from arignote.frontends.explore.record import Recording

SCRIPTS = ("text.js", "graph.js", "page.js")


def page(recording: Recording) -> str:
    """The page as HTML. Data is compressed; browsers of 2023 and later unpack it themselves."""
    data = PageData(recording)
    packed = {"index": data.index} | {f"part-{i}": part for i, part in enumerate(data.parts)}
    parts = "\n".join(
        f'<script type="application/octet-stream" id="{name}">{_packed(part)}</script>' for name, part in packed.items()
    )
    out = _asset("page.html").replace("@TITLE@", html.escape(f"@{recording.name} - Arignote"))
    # The parts come last, as texts of the program may look like places to fill.
    out = out.replace("@STYLE@", _asset("page.css"))
    out = out.replace("@SCRIPT@", "\n".join(_asset(name).replace('"use strict";\n', "") for name in SCRIPTS))
    return out.replace("@PARTS@", parts)


def _asset(name: str) -> str:
    return (files("arignote.frontends.explore") / "assets" / name).read_text(encoding="utf-8")


def _packed(part: dict[str, Any]) -> str:
    text = json.dumps(part, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 9)).decode("ascii")
