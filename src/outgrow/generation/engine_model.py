"""A model of this machine that an engine runs: it writes texts and scores given ones (`engine: vllm`).

Prompts and texts are the tokens that the model in this process would get (`coder.py`), and the answers are tokens with
their log-probabilities. So results differ from those of `engine: hf` by rounding only, and samples by their random
numbers. Items go to the engine in chunks; a finished chunk is on the disk, as a finished batch is (`ragged_sweep`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.endpoints.given_text import FIELD
from outgrow.engines.engine_process import Body, Reply
from outgrow.engines.vllm import EngineSettings, Vllm
from outgrow.errors import StepFailed
from outgrow.generation.coder import Coder, TokenIds, coder_of
from outgrow.generation.engine_folder import served_folders
from outgrow.generation.local_generator import warn_too_long, without_rest
from outgrow.generation.local_scorer import scored_by
from outgrow.generation.remote_generator import seed_of
from outgrow.generation.text_generator import GenerationRequest, GenerationResult, ScoringRequest, Section
from outgrow.graph.resources import needs_in
from outgrow.graph.step import Job
from outgrow.models.load_model import load_config, pick_device
from outgrow.models.resumable_inference import ragged_sweep
from outgrow.models.token_batches import Rows
from outgrow.texts import Candidate, ranked

CHUNK = 256
"""Items of which the results are kept together; a kill costs one chunk."""
LOG = "engine.log"
Written = tuple[TokenIds, list[float]]
"""The tokens of a text with their log-probabilities."""


@dataclass(frozen=True)
class EngineGenerator:
    """Generates texts with an engine."""

    coder: Coder
    engine: Vllm

    def write(self, job: Job, request: GenerationRequest) -> GenerationResult:
        """Generate texts. A prompt that is too long gets no answer, or stops the step with `unfit: stop`."""
        refuse_search(request.decoding)
        warn_too_long(self.coder, request)
        prompts, stops = self.coder.prompts(request.conversations), request.decoding["stop"]
        fits = self.coder.fits(prompts, request.decoding["max_new_tokens"])

        def run(rows: Rows) -> list[list[Written]]:
            seeds = [seed_of(request.seed, place) for place in request.places[rows].tolist()]
            return self.draw([prompts[row] for row in rows.tolist()], request.decoding, seeds)

        drawn = ragged_sweep(job, chunks(np.flatnonzero(fits)), run, "drawn")
        candidates: list[list[Candidate]] = [[] for _ in prompts]
        for row, texts in drawn.items():
            answers = [self.coder.candidate(ids, logprobs, stops) for ids, logprobs in texts]
            candidates[row] = ranked(answers, request.distinct)
        return GenerationResult(candidates)

    def draw(
        self, prompts: Sequence[TokenIds], decoding: Mapping[str, Any], seeds: Sequence[int]
    ) -> list[list[Written]]:
        """The texts after every prompt.

        The engine ends a text at a stop. One in leading white space is no stop, so such a text is asked for whole.
        """
        stops = decoding["stop"]
        bodies = [writing_body(self.coder, *pair, decoding) for pair in zip(prompts, seeds, strict=True)]
        texts = [written(reply) for reply in self.engine.ask([{**body, "stop": stops} for body in bodies])]
        early = [row for row, found in enumerate(texts) if not all(self._is_whole(ids, decoding) for ids, _ in found)]
        for row, reply in zip(early, self.engine.ask([bodies[row] for row in early]), strict=True):
            texts[row] = written(reply)
        return [[self._cut(*text, stops) for text in found] for found in texts]

    def _is_whole(self, ids: TokenIds, decoding: Mapping[str, Any]) -> bool:
        ended = len(ids) == decoding["max_new_tokens"] or ids[-1:] == [self.coder.prompter.end_id]
        return ended or self.coder.has_stopped(ids, decoding["stop"])

    def _cut(self, ids: TokenIds, logprobs: list[float], stops: Sequence[str]) -> Written:
        kept = without_rest(self.coder, ids, stops)
        return kept, logprobs[: len(kept)]


def refuse_search(decoding: Mapping[str, Any]) -> None:
    """Raise `StepFailed` for a beam search."""
    if decoding["beams"] > 1 and not decoding["sample"]:
        raise StepFailed(
            f"`beams: {decoding['beams']}`: an engine has no beam search; use `beams: 1`, `sample: true` or"
            " `engine: hf`"
        )


def writing_body(coder: Coder, prompt: TokenIds, seed: int, decoding: Mapping[str, Any]) -> dict[str, Any]:
    """A request for greedy or sampled texts, each with its tokens and their log-probabilities."""
    body: dict[str, Any] = {"prompt": prompt, "max_tokens": decoding["max_new_tokens"], "temperature": 0.0}
    # Only the end-of-sequence token of the tokenizer ends a text, as in this process.
    body |= {"stop_token_ids": [coder.prompter.end_id], "ignore_eos": True, "logprobs": 0, "return_token_ids": True}
    if decoding["sample"]:
        body |= {"temperature": decoding["temperature"], "top_p": decoding["top_p"]}
        body |= {"n": decoding["candidates"], "seed": seed}
    return body


def written(reply: Reply) -> list[Written]:
    """The texts of a reply. Raises `StepFailed` for one without tokens."""
    try:
        choices = sorted(reply["choices"], key=lambda choice: choice["index"])
        texts = [(list(choice["token_ids"]), choice["logprobs"]["token_logprobs"]) for choice in choices]
        return [(ids, [min(float(value), 0.0) for _, value in zip(ids, scores, strict=True)]) for ids, scores in texts]
    except (KeyError, TypeError, ValueError) as error:
        raise StepFailed(f"the engine's reply has no tokens with log-probabilities ({error!r})") from error


def forced_by_engine(
    job: Job, engine: Vllm, prompts: Sequence[TokenIds], answers: Sequence[Sequence[TokenIds]]
) -> list[list[list[float]]]:
    """The log-probability of every token of every answer, [prompt][answer][token]; finished chunks are kept."""

    def run(rows: Rows) -> list[list[list[float]]]:
        pairs = [(prompts[row], answer) for row in rows.tolist() for answer in answers[row]]
        replies = engine.ask([scoring_body(prompt + answer) for prompt, answer in pairs])
        flat = (given(reply, answer) for reply, (_, answer) in zip(replies, pairs, strict=True))
        return [[next(flat) for _ in answers[row]] for row in rows.tolist()]

    logprobs = ragged_sweep(job, chunks(np.arange(len(prompts))), run, "scored")
    return [logprobs[row] for row in range(len(prompts))]


def scoring_body(ids: TokenIds) -> Body:
    """A request for the log-probabilities of a prompt; the token that the engine writes is not looked at."""
    return {"prompt": ids, "max_tokens": 1, "temperature": 0.0, FIELD: 0}


def given(reply: Reply, answer: TokenIds) -> list[float]:
    """The log-probabilities of a prompt's last tokens. Raises `StepFailed` for a reply without them."""
    try:
        entries = reply["choices"][0][FIELD][-len(answer) :]
        pairs = zip(answer, entries, strict=True)
        return [min(float(entry[str(token)]["logprob"]), 0.0) for token, entry in pairs]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise StepFailed(f"the engine's reply has no log-probabilities of the given text ({error!r})") from error


def chunks(rows: Rows) -> list[Rows]:
    """Rows in their order, at most `CHUNK` together."""
    return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]


# ---- the doors ------------------------------------------------------------------------------------------


def open_engine(job: Job, section: Section, trained: Path | None) -> EngineGenerator:
    """The generator of the pretrained model, or of the trained one in a training's folder."""
    config = load_config(section["model"], section["revision"], trust_remote_code=section["trust_remote_code"])
    coder = coder_of(section, config)

    def folders() -> tuple[Path, Path]:
        job.report("starting vLLM", 0.0)
        return served_folders(section, trained, job.scratch)

    engine = Vllm(settings_of(job, section, coder.longest), folders)
    job.at_end.callback(engine.end)
    return EngineGenerator(coder, engine)


def score_by_engine(
    job: Job, section: Section, trained: Path | None, request: ScoringRequest
) -> list[list[Candidate]]:
    """By the section's model, or the trained one in a training's folder."""
    opened = open_engine(job, section, trained)
    teacher = partial(forced_by_engine, job, opened.engine)
    return scored_by(teacher, opened.coder, request.items, request.conversations, request.texts)


def settings_of(job: Job, section: Section, longest: int) -> EngineSettings:
    """How the engine of a step is started."""
    hints = job.hints["engine"]
    gpus = 0.0 if pick_device(job.hints).type == "cpu" else needs_in(job.hints).gpus or 1.0
    return EngineSettings(
        command=hints["command"],
        options=section["engine"]["options"],
        ready=hints["ready"],
        answer=hints["answer"],
        dtype=section["dtype"],
        longest=longest,
        gpus=gpus,
        trust_remote_code=section["trust_remote_code"],
        log=job.scratch / LOG,
    )
