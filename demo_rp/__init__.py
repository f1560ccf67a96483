"""Demo relying party: a small e-counter that has documents signed through the gateway's public HTTP API (FTS-ENV-2).

`gateway.py` and `app.py` are the integration, to be read as an example; `docs/integration.md` walks through them. It
imports nothing of the gateway: whoever copies it needs Starlette, httpx, Jinja2 and uvicorn only.
"""
