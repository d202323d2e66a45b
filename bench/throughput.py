"""Examples per second of training on texts: outgrow beside transformers' Trainer and TRL's SFTTrainer (if installed).

python bench/throughput.py                                480 texts of mixed lengths, LoRA and full, batch 8
python bench/throughput.py --texts 96 --adapt lora        fewer
python bench/throughput.py --writing URL --texts 40       writing: this process beside a server, such as vLLM
python bench/throughput.py --writing vllm --texts 40      the same beside `engine: vllm` (OUTGROW_VLLM), once it runs

All learn the same prompts and answers of three bundled tasks (errands, tales, sums: 10 to 250 tokens) by SmolLM2-135M
in float32, one pass, the same rate and size of the update, from loading the model to the last update. The peers keep
their defaults: batches of random items, padded to the longest. Each run is a process of its own. `s` is processor
time, `times` a peer's seconds by ours. Losses are not compared: ours is a mean over texts, theirs over tokens.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

TASKS = ("errands", "tales", "sums")
MODEL, RATE, BATCH = "bundled:smollm2-135m", 1e-4, 8
LORA = {"r": 8, "alpha": 16, "dropout": 0.0, "modules": "all-linear"}
PEERS = {"transformers Trainer": "transformers", "TRL SFTTrainer": "trl"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=480)
    parser.add_argument("--adapt", nargs="*", choices=["lora", "full"], default=["lora", "full"])
    parser.add_argument(
        "--writing", metavar="URL", help="a server's address up to /v1, with the model `small`; or vllm"
    )
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        name, adapt = options.run
        print(json.dumps(RUNS[name](options.texts, adapt)))
    elif options.writing:
        compare_writing(options.texts, options.writing)
    else:
        compare_training(options.texts, options.adapt)


def compare_training(n_texts: int, adapts: list[str]) -> None:
    print(f"{'adapt':<6} {'trainer':<22} {'s':>7} {'wall':>7} {'texts/s':>8} {'times':>6}")
    for adapt in adapts:
        ours = None
        for name in RUNS:
            if name in PEERS and importlib.util.find_spec(PEERS[name]) is None:
                print(f"{adapt:<6} {name:<22} not installed")
                continue
            words = [sys.executable, __file__, "--texts", str(n_texts), "--run", name, adapt]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
            found = json.loads(done.stdout.splitlines()[-1])
            ours = ours or found
            seconds, wall = found["seconds"], found["wall"]
            times = f"{seconds / ours['seconds']:>6.2f}"
            print(f"{adapt:<6} {name:<22} {seconds:>7.1f} {wall:>7.1f} {n_texts / seconds:>8.2f} {times}")


def texts(count: int) -> list[tuple[str, str]]:
    """Prompts and answers, the tasks in turn."""
    from outgrow.config.task import TaskSection
    from outgrow.data.load_task import load_task

    share = -(-count // len(TASKS))
    tasks = [load_task(TaskSection(name=name)).items for name in TASKS]
    rng = np.random.default_rng(0)
    drawn = [(items, rng.choice(len(items.prompts), share, replace=False).tolist()) for items in tasks]
    return [(items.prompts[rows[n]], items.answers[rows[n]]) for n in range(share) for items, rows in drawn][:count]


def text_model() -> dict[str, Any]:
    """The model's section as steps get it."""
    model: dict[str, Any] = {"type": "model", "model": MODEL, "revision": None, "identity": "", "dtype": "float32"}
    return model | {"max_length": 512, "chat": False, "system": None, "unfit": "skip", "trust_remote_code": False}


def clocked(work: Callable[[], object]) -> dict[str, float]:
    """Processor and wall time of some work."""
    began, wall = time.process_time(), time.monotonic()
    work()
    return {"seconds": time.process_time() - began, "wall": time.monotonic() - wall}


def train_ours(count: int, adapt: str) -> dict[str, float]:
    """The step that trains a supervisor, with all that it writes."""
    from outgrow.data.task import Items, Split, Task
    from outgrow.graph.step import Job
    from outgrow.training.text_training_steps import train_text_supervisor

    pairs = texts(count)
    training = {"lr": RATE, "epochs": 1, "batch_size": BATCH, "micro_batch_size": None, "scheduler": "linear"}
    training |= {"warmup": 0.0, "optimizer": "adamw_torch", "weight_decay": 0.0, "max_grad_norm": 0.0, "keep": "last"}
    model = text_model() | {"training": training, "holdout": 0.0, **({"lora": LORA} if adapt == "lora" else {})}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for part in ("pool", "split", "out", "scratch"):
            (place / part).mkdir()
        ids, prompts = [str(n) for n in range(count)], [prompt for prompt, _ in pairs]
        items = Items(ids, prompts, np.zeros(count, dtype=np.int64), answers=[answer for _, answer in pairs])
        Task("mixed", "generate", (), items, metric="exact_match").save(place / "pool")
        Split(np.arange(count), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)).save(place / "split")
        job = Job(place / "out", {"pool": place / "pool", "split": place / "split"}, place / "scratch", {})

        return clocked(lambda: train_text_supervisor(job, adapt=adapt, model=model, seed=0))


def prepared(adapt: str) -> tuple[Any, Any]:
    """A model and its tokenizer, as peers take them."""
    from peft import LoraConfig, get_peft_model

    from outgrow.models.load_model import load_causal_lm, load_tokenizer

    model = load_causal_lm(MODEL)
    if adapt == "lora":
        config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, target_modules="all-linear")
        model = get_peft_model(model, config)
    return model.train(), load_tokenizer(MODEL)


def arguments(folder: str) -> dict[str, Any]:
    """Settings that Trainer and SFTTrainer have in common."""
    return {
        "output_dir": folder,
        "per_device_train_batch_size": BATCH,
        "num_train_epochs": 1,
        "learning_rate": RATE,
        "lr_scheduler_type": "linear",
        "max_grad_norm": 0.0,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "disable_tqdm": True,
    }


def train_transformers(count: int, adapt: str) -> dict[str, float]:
    from transformers import DataCollatorForSeq2Seq, Trainer, TrainingArguments

    pairs = texts(count)

    def work() -> None:
        model, tokenizer = prepared(adapt)
        rows = []
        for prompt, answer in pairs:
            read = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            written = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
            rows.append({"input_ids": read + written, "labels": [-100] * len(read) + written})
        with tempfile.TemporaryDirectory() as folder:
            collator = DataCollatorForSeq2Seq(tokenizer)
            settings = TrainingArguments(**arguments(folder))
            Trainer(model, settings, train_dataset=rows, data_collator=collator).train()

    return clocked(work)


def train_trl(count: int, adapt: str) -> dict[str, float]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    pairs = texts(count)

    def work() -> None:
        model, tokenizer = prepared(adapt)
        rows = Dataset.from_list([{"prompt": prompt, "completion": answer} for prompt, answer in pairs])
        with tempfile.TemporaryDirectory() as folder:
            config = SFTConfig(**arguments(folder), max_length=512, gradient_checkpointing=False, bf16=False)
            SFTTrainer(model, args=config, train_dataset=rows, processing_class=tokenizer).train()

    return clocked(work)


RUNS = {"outgrow": train_ours, "transformers Trainer": train_transformers, "TRL SFTTrainer": train_trl}


def compare_writing(count: int, url: str) -> None:
    """Greedy answers of 32 tokens at most, by this process and by a server that runs the same model."""
    from outgrow.generation.chat import single_turn
    from outgrow.generation.text_generator import GenerationRequest, open_generator
    from outgrow.graph.step import Job

    prompts = [prompt for prompt, _ in texts(count)]
    decoding = {"beams": 1, "candidates": 1, "sample": False, "temperature": 1.0, "top_p": 1.0, "stop": []}
    request = GenerationRequest(
        [str(n) for n in range(count)],
        [single_turn(prompt) for prompt in prompts],
        {**decoding, "max_new_tokens": 32},
        0,
        np.arange(count),
    )
    local = {**text_model(), "chat": True}
    remote = {"type": "endpoint", "model": "small", "url": url, "system": None, "logprobs": True, "options": {}}
    remote |= {"limit": "max_tokens", "unfit": "skip"}
    other = {**local, "engine": {"type": "vllm", "options": []}} if url == "vllm" else remote
    print(f"{'writer':<14} {'wall':>7} {'texts/s':>8} {'times':>6}")
    first, found = 0.0, []
    with tempfile.TemporaryDirectory() as name:
        asking: dict[str, Any] = {"key": None, "concurrency": 64, "timeout": 600.0, "retries": 0, "batch": None}
        asking |= {"budget": {"tokens": None, "money": None}, "prices": {"input": 0.0, "output": 0.0}, "place": "x"}
        engine = {"command": None, "ready": 3600.0, "answer": 3600.0}
        hints = {"endpoint": asking, "answers": f"{name}/answers.sqlite", "engine": engine}
        for writer, section in {"this process": local, "the server": other}.items():
            place = Path(name) / writer
            for part in ("out", "scratch"):
                (place / part).mkdir(parents=True)
            job = Job(place / "out", {}, place / "scratch", hints)
            with job.at_end:
                generator = open_generator(job, section)
                if "engine" in section:
                    generator.write(job.with_scratch("start"), one_of(request))
                began = time.monotonic()
                written = generator.write(job, request).candidates
                wall = time.monotonic() - began
            found.append([texts[0] for texts in written])
            first = first or wall
            print(f"{writer:<14} {wall:>7.1f} {count / wall:>8.2f} {first / wall:>6.2f}")
    alike = [(one.pieces.logprob, two.pieces.logprob) for one, two in zip(*found, strict=True) if one.text == two.text]
    pieces = [pair for pair in alike if len(pair[0]) == len(pair[1])]
    largest = max(float(np.abs(one - two).max()) for one, two in pieces)
    print(
        f"{len(alike)} of {count} texts are equal; log-probabilities of their pieces differ by at most {largest:.1g}"
    )


def one_of(request: Any) -> Any:
    """Its first prompt alone."""
    return replace(
        request, items=request.items[:1], conversations=request.conversations[:1], places=request.places[:1]
    )


if __name__ == "__main__":
    main()
