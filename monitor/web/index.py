"""The page at ``/``: what there is to ask, without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
td { padding: .2rem 1rem .2rem 0; vertical-align: top } code { white-space: nowrap }
small { color: #666 }
"""
POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
)


def page(schema: Mapping[str, Any]) -> str:
    """The endpoints of an OpenAPI schema as HTML."""
    lines = [
        line(method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Driftwarden</title><style>{STYLE}</style></head><body>
<h1>Driftwarden</h1>
<p>Lists take <code>limit</code>, <code>cursor</code> (<code>next</code> of the page before) and
<code>format</code> (<code>json</code>, <code>ndjson</code>, <code>csv</code>).
In full: <a href="openapi.json">openapi.json</a>.</p>
<table>{"".join(lines)}</table></body></html>
"""


def line(method: str, path: str, operation: Mapping[str, Any]) -> str:
    address = escape(path)
    if method == "get" and "{" not in path:
        address = f'<a href="{escape(path.removeprefix("/"), quote=True)}">{address}</a>'
    filters = ", ".join(parameter["name"] for parameter in operation.get("parameters", ()))
    told = f"{escape(operation.get('summary', ''))}<br><small>{escape(filters)}</small>"
    return f"<tr><td>{method.upper()}</td><td><code>{address}</code></td><td>{told}</td></tr>\n"


def routes() -> APIRouter:
    router = APIRouter(default_response_class=Response)

    @router.get("/", include_in_schema=False)
    def index(request: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return Response(page(request.app.openapi()), media_type="text/html", headers=headers)

    return router
