"""A stand-in for a large model, for the tagging demonstration where no endpoint is configured: a real HTTP server of
the chat completions protocol whose answers come from a small table of words. It shows the way of a question and an
answer; what its answers are worth says nothing about any model."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORDS = {
    "kitchen": "dough oven onion lentil vinegar sugar rice butter jam noodle cook bake",
    "night sky": "meteor constellation telescope planet star moon comet nebula orbit 望远镜",
    "heron": "willow stream weir bank flood bridge 灌溉",
}


def answer(asked: dict[str, Any]) -> str:
    """The tags of the prompt's list of which words stand in the file's part."""
    prompt = asked["messages"][-1]["content"]
    listed, _, file = prompt.partition("<file>")
    tags = re.findall(r"^- (.+)$", listed, re.M)
    text = file.partition("Text:")[2].lower()
    chosen = []
    for tag in tags:
        found = [word for word in WORDS.get(tag, tag).split() if word in text]
        if found:
            sure = "high" if len(found) > 1 else "medium"
            chosen.append({"tag": tag, "sure": sure, "because": ", ".join(found[:3])})
    return json.dumps({"tags": chosen, "new_tag": None}, ensure_ascii=False)


class Answers(BaseHTTPRequestHandler):
    """One request, one answer."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = answer(asked)
        message = {"role": "assistant", "content": said}
        usage = {"prompt_tokens": 900, "completion_tokens": len(said) // 4, "total_tokens": 900 + len(said) // 4}
        body = json.dumps(
            {
                "id": "demo",
                "object": "chat.completion",
                "created": 1,
                "model": asked["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": usage,
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the demonstration has the word."""


def serve() -> ThreadingHTTPServer:
    """Bound to a free loopback port; `serve_forever` is the caller's."""
    return ThreadingHTTPServer(("127.0.0.1", 0), Answers)
