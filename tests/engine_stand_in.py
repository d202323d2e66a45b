"""A program that is started as `vllm serve` is, and speaks its protocol: completions of token ids.

Without `--real` its answers follow from the prompt by a rule, and it starts at once; with it the tiny model of the
folder answers. Other options make it fail. `rule_texts` and `rule_scores` are its answers, for tests to compare with.
"""

import argparse
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Body = dict[str, Any]
Scored = tuple[list[int], list[float]]


def installed(folder: Path) -> Path:
    """An executable file of this program."""
    program = folder / "vllm"
    lines = [f"#!{sys.executable}", "import sys", f"sys.path.insert(0, {str(Path(__file__).parent)!r})"]
    program.write_text("\n".join([*lines, "import engine_stand_in", "engine_stand_in.main()", ""]))
    program.chmod(0o755)
    return program


def rule_texts(body: Body) -> list[Scored]:
    """Three tokens after a prompt and the end, `n` times."""
    first = sum(body["prompt"]) % 100 + 40
    end = body["stop_token_ids"][0]
    start = body.get("seed", 0) % 7
    ids = [[first + start + sample, first + 1, first + 2, end] for sample in range(body.get("n", 1))]
    return [(text[: body["max_tokens"]], [-0.25, -0.5, -0.75, -1.0][: body["max_tokens"]]) for text in ids]


def rule_scores(ids: list[int]) -> list[float]:
    """Of every token of a prompt."""
    return [-0.125 * (token % 16) for token in ids]


class RealModel:
    """The answers of the model in a folder."""

    def __init__(self, folder: str, tokenizer: str) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.lm, self.tokenizer = (
            AutoModelForCausalLM.from_pretrained(folder),
            AutoTokenizer.from_pretrained(tokenizer),
        )
        self.lock = threading.Lock()

    def scores(self, ids: list[int]) -> Any:
        import torch

        with self.lock, torch.inference_mode():
            return self.lm(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)

    def prompt(self, ids: list[int]) -> list[float]:
        scores = self.scores(ids)
        return [0.0, *(scores[place - 1, ids[place]].item() for place in range(1, len(ids)))]

    def texts(self, body: Body) -> list[Scored]:
        """Greedy; the same text `n` times where samples are asked for. A stop ends it wherever it is."""
        ids: list[int] = []
        logprobs: list[float] = []
        while len(ids) < body["max_tokens"]:
            scores = self.scores([*body["prompt"], *ids])[-1]
            ids.append(int(scores.argmax()))
            logprobs.append(scores[ids[-1]].item())
            text = self.tokenizer.decode(ids)
            if ids[-1] in body["stop_token_ids"] or any(stop in text for stop in body.get("stop") or ()):
                break
        return [(ids, logprobs)] * body.get("n", 1)


class StandIn(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__((options.host, options.port), Handler)
        self.options, self.lock, self.answered = options, threading.Lock(), 0
        self.model = RealModel(options.folder, options.tokenizer) if options.real else None

    def note(self, body: Body) -> None:
        """Write the request to a file, and die after as many as asked."""
        with self.lock:
            self.answered += 1
            if self.options.requests:
                with open(self.options.requests, "a") as file:
                    file.write(json.dumps({"engine": os.getpid(), **body}) + "\n")
            if self.options.die_after and self.answered > self.options.die_after and first_time(self.options.once):
                print("torch.OutOfMemoryError: CUDA out of memory" if self.options.of_memory else "a fatal error")
                sys.stdout.flush()
                os._exit(3)

    def reply(self, body: Body) -> dict[str, Any]:
        choices = [self.choice(body, *text, index) for index, text in enumerate(self.texts(body))]
        return {"id": "cmpl-1", "object": "text_completion", "model": body["model"], "choices": choices}

    def texts(self, body: Body) -> list[Scored]:
        if body.get("prompt_logprobs") is not None:
            return [([0], [0.0])]
        return rule_texts(body) if self.model is None else self.model.texts(body)

    def choice(self, body: Body, ids: list[int], logprobs: list[float], index: int) -> dict[str, Any]:
        prompt = body["prompt"]
        scored = None
        if body.get("prompt_logprobs") is not None:
            scores = rule_scores(prompt) if self.model is None else self.model.prompt(prompt)
            pairs = zip(prompt[1:], scores[1:], strict=True)
            scored = [
                None,
                *({str(token): {"logprob": score, "rank": 1, "decoded_token": ""}} for token, score in pairs),
            ]
        asked = body.get("logprobs") is not None
        return {
            "index": index,
            "text": "",
            "logprobs": {"token_logprobs": logprobs, "tokens": [""] * len(ids)} if asked else None,
            "finish_reason": "stop",
            "token_ids": ids if body.get("return_token_ids") else None,
            "prompt_logprobs": scored,
        }


class Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self.send(200, {"object": "list", "data": [{"id": self.server.options.served_model_name}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if len(body["prompt"]) + body["max_tokens"] > self.server.options.max_model_len:
            self.send(400, {"error": {"message": "too long", "code": 400}})
            return
        self.server.note(body)
        self.send(200, self.server.reply(body))

    def send(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def first_time(note: str | None) -> bool:
    """Whether no earlier start has left this file, which is left now."""
    if note is None:
        return True
    try:
        os.close(os.open(note, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


def options_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("verb", choices=["serve"])
    parser.add_argument("folder")
    for name in ("--tokenizer", "--dtype", "--served-model-name", "--host", "--generation-config"):
        parser.add_argument(name, required=True)
    for name in ("--port", "--max-model-len"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--no-enable-prefix-caching", action="store_true", required=True)
    parser.add_argument("--enforce-eager", action="store_true")
    parser.add_argument("--tensor-parallel-size", type=int, default=1)
    for name in ("--real", "--never-ready", "--port-taken", "--of-memory"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--die-after", type=int, help="requests")
    parser.add_argument("--end-with", type=int, help="a code, before it is ready")
    parser.add_argument("--once", help="fail only if this file is not there")
    parser.add_argument("--requests", help="a file for all requests")
    return parser.parse_args(words)


def main() -> None:
    options = options_of(sys.argv[1:])
    print("the stand-in starts", "PYTHONPATH" in os.environ, flush=True)
    if options.port_taken and first_time(options.once):
        print("OSError: [Errno 98] Address already in use", flush=True)
        raise SystemExit(1)
    if options.end_with is not None:
        print("ValueError: no such thing", flush=True)
        raise SystemExit(options.end_with)
    if options.never_ready:
        time.sleep(600)
    StandIn(options).serve_forever()
