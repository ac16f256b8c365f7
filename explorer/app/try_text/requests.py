"""From a pasted sentence to what the page draws of it: one question to the host, told in words where it fails."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from explorer.app.site.addresses import run_at
from explorer.app.site.hosts import NO_HOST, host_words
from explorer.app.site.site import Site
from explorer.app.try_text.figure import text_view
from explorer.app.view.state import MAX_TRIED
from explorer.errors import HostError, RequestError, RunError
from explorer.runs.run.reader import Run
from explorer.steering.protocol.features import EncodeRequest


@dataclass(frozen=True)
class TextAnswer:
    """What the page gets for one text."""

    data: dict[str, Any] | None
    """What is drawn of it; None where there is no reply, so that nothing stale stays."""
    problem: str
    """Why there is none, in words; "" where there is one."""


async def ask_text(site: Site, path: str, text: str | None) -> TextAnswer:
    """Ask the host which clusters fire on a text; whatever goes wrong is told in words."""
    try:
        run = run_at(site, path)
        host = site.hosts.of(run.id)
        if host is None:
            return TextAnswer(None, NO_HOST)
        request = encode_request(run, text)
        reply = await host.ask(request)
        view = await asyncio.to_thread(text_view, run, request.text, reply)
    except HostError as error:
        return TextAnswer(None, host_words(error))
    except RequestError as error:
        return TextAnswer(None, f"{error.where}: found {error.found}, wanted {error.wanted}.")
    except RunError as error:
        return TextAnswer(None, f"The host's answer does not fit this run: {error.found}, wanted {error.wanted}.")
    return TextAnswer(asdict(view), "")


def encode_request(run: Run, text: str | None) -> EncodeRequest:
    """Read the field.

    Raises:
        RequestError: nothing in it, or too much, or a run without a subject.
    """
    subject = run.manifest.subject
    if subject is None or not subject.fingerprint:
        raise RequestError("run", "no model named in it", "a run that a host can serve")
    if not text or not text.strip():
        raise RequestError("text", "nothing", "a sentence")
    if len(text) > MAX_TRIED:
        raise RequestError("text", f"{len(text)} characters", f"at most {MAX_TRIED}")
    return EncodeRequest(run=run.id, fingerprint=subject.fingerprint, text=text)
