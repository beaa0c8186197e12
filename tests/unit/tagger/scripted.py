"""A server that speaks the chat completions protocol over HTTP and answers as a script says: for tests of what asks
a model."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Say:
    """A completion with this text."""

    text: str
    tokens: int = 100


@dataclass(frozen=True)
class Fail:
    """A status with headers."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hang:
    """No answer until the client gives up."""


@dataclass(frozen=True)
class HangUp:
    """Half an answer, then the connection is closed."""


Step = Say | Fail | Hang | HangUp


class ScriptedEndpoint:
    """Started on a free loopback port; steps are taken one a request, the last one again and again."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[dict[str, Any]] = []
        self.sounds: list[bytes] = []
        self.transcript = "the transcript"
        self.embedded: list[str] = []
        self.vector: Callable[[str], list[float]] = lambda text: [1.0]
        """What a text is answered with by the embedding model."""
        self.embedding_fails: Step | None = None
        self.refuses: Callable[[dict[str, Any]], bool] = lambda request: False
        """Requests that get a 400, beside the script."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-endpoint")
        self.url = ""

    def __enter__(self) -> "ScriptedEndpoint":
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        app.router.add_post("/v1/embeddings", self._embed)
        runner = web.AppRunner(app, shutdown_timeout=0.2)
        await runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        self._ready.set()
        await self._stop.wait()
        # asyncio loses connections that it has taken and not given to anybody when it stops to listen: first those.
        self._loop.remove_reader(listener)
        for _ in range(3):
            await asyncio.sleep(0)
        await runner.cleanup()

    async def _transcribe(self, request: web.Request) -> web.Response:
        form = await request.post()
        sent = form["file"]
        assert isinstance(sent, web.FileField)
        self.sounds.append(sent.file.read())
        return web.json_response({"text": self.transcript})

    async def _embed(self, request: web.Request) -> web.StreamResponse:
        texts = (await request.json())["input"]
        self.embedded += texts
        if self.embedding_fails is not None:
            return await self._do(self.embedding_fails, request)
        data = [{"object": "embedding", "index": i, "embedding": self.vector(text)} for i, text in enumerate(texts)]
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        return web.json_response({"object": "list", "model": "scripted", "data": data, "usage": usage})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        if self.refuses(body):
            return web.json_response({"error": {"message": "no such response_format"}}, status=400)
        return await self._do(self.steps.pop(0) if len(self.steps) > 1 else self.steps[0], request)

    async def _do(self, step: Step, request: web.Request) -> web.StreamResponse:
        if isinstance(step, Fail):
            return web.json_response({"error": {"message": "scripted"}}, status=step.status, headers=step.headers)
        if isinstance(step, Hang):
            await self._stop.wait()
            return web.Response(status=503)
        if isinstance(step, HangUp):
            response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "5000"})
            await response.prepare(request)
            await response.write(b'{"id": "x", "choices": [{"mess')
            assert request.transport is not None
            request.transport.close()
            return response
        return web.json_response(completion(step))


def completion(step: Say) -> dict[str, Any]:
    """A chat completion as the protocol has it."""
    message = {"role": "assistant", "content": step.text}
    return {
        "id": "c-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": step.tokens - 10, "completion_tokens": 10, "total_tokens": step.tokens},
    }


def tags(*names: str, sure: str = "high", new: str | None = None) -> Say:
    """A well-formed answer."""
    listed = [{"tag": name, "sure": sure, "because": "words"} for name in names]
    return Say(json.dumps({"tags": listed, "new_tag": new}))
