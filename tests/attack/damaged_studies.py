"""Damaged study files and odd overrides: each is read, or refused in sentences; no traceback, hang or silent change.

Input N of seed S is that of seed S + N. An example is damaged as text or as a tree, overrides are drawn beside it.
What is read must survive its own dump; every eighth is planned too, which must write nothing.
"""

import copy
import json
import random
import re
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from failure import Failure

import outgrow
from outgrow.config.load import dump_experiment, read_experiment
from outgrow.config.simulation import read_simulation
from outgrow.config.suite import read_suite
from outgrow.errors import OutgrowError
from outgrow.supervise.rule_file import read_rules

EXAMPLES = Path(__file__).parents[2] / "examples"
RULES = (
    "classes: [ham, spam]\nrules:\n  links: {regex: 'https?://', says: spam}\n  f: {function: 'a.py:f', limit: 2}\n"
)
SECONDS = 60.0
"""For one input; planning takes up to three on an idle machine."""
LONGEST_LINE, MOST_LINES = 2000, 40
PLANNED = 8
"""One input of so many is planned."""
PYDANTIC = re.compile(
    r"(?i)input should|valid (string|integer|number|list|dict|bool|path|tuple)|unable to parse|should have at|"
    r"string should|extra inputs|field required|value error|pydantic|traceback"
)
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 7, 0.5, -0.5, 1e-300, 1e300, 10**9, 2**63, 10**40, float("nan"), float("inf")),
    *("", " ", "x", "a,b", "0,1", "none", "all", "@b", "*b", "[", "{", "~nosuchuser/x", "a\0b", "\ud800", "\x1b[31m"),
    *("x" * 300, "²", "1:1:1", "2001-01-01", "(" * 2000, "(a+)+$", "bundled:minilm-l6@99", "bundled:wordllama@1"),
    *("../../../etc/passwd", "/dev/zero", "/proc/self/mem", "file.py:f", "self-training", "Self_Training", "bleu"),
    *([], [None], [[]], [1, 1], ["a", "a"], [-1], list(range(300)), {}, {"type": None}, {"type": "x"}, {"": 1}),
    *({"type": "model"}, {"model": "bundled:wordllama"}, {"votes": "no.csv"}, {"regex": "(", "says": "a"}, {1: 2}),
    *({"preset": "naive"}, {"preset": 1}, {"function": "x"}, {"type": "endpoint", "url": "x", "model": "m"}),
)
TEXTS = (
    *(
        "\t",
        "\0",
        "&a",
        "*a",
        "<<: *a",
        "!!int ''",
        "!!timestamp x",
        "!!set {a}",
        "? ",
        "- ",
        ": ",
        "|",
        ">",
        "%",
        "@",
        "`",
    ),
    *(
        "'",
        '"',
        "#",
        "---\n",
        "...\n",
        "[" * 100,
        "{" * 100,
        "}",
        "]",
        "\n",
        "\ufeff",
        "\u2028",
        "é",
        "0x",
        ".nan",
        "1e5",
    ),
    *(
        "9" * 400,
        ":".join(["1"] * 500),
        '"\\ud800"',
        '"\\0"',
        "&a [*a, *a]",
        "name: x\n",
        "task: 3\n",
        "seeds: '0,1'\n",
    ),
)
WORDS = (
    *(
        "name=a,@b",
        "seeds=a,*b",
        "store=x,[y",
        "seeds.²=5",
        "task=[[[[",
        "=",
        "x",
        "a.b.c=1",
        "methods.0=naive",
        "seeds=",
    ),
    *(
        "methods.99=naive",
        "methods.0.combine=",
        "task.path=~nosuch/x",
        "student.training.lr=.nan",
        "seeds=[-1]",
        "seeds.0.0=1",
    ),
    *(
        "supervisors.x={type: ngram}",
        "methods=naive,vote",
        "methods.0.loss.type=evidential",
        "task.sizes=all",
        "name=é",
    ),
    *(
        "student.layer=-99,3",
        "student.dims=100000",
        "device=cuda",
        "report_to=wandb",
        "output=/dev/null/x",
        "threads=0",
    ),
)


class Hang(BaseException):
    """It took longer than it may."""


def run(count: int, seed: int = 0) -> tuple[int, list[Failure]]:
    """Try inputs `seed` … `seed + count - 1`. Returns how many were tried, and what was wrong."""
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(seed, seed + count):
            if wrong := _try(Path(folder), number):
                failures.append(Failure("study file", seed, number - seed, wrong))
    return count, failures


def _try(folder: Path, number: int) -> str:
    """What is wrong with how one input is taken; empty if nothing is."""
    drawn = random.Random(number)
    kind = drawn.choice(sorted(_examples()))
    path, words = folder / "study.yaml", _words(drawn)
    path.write_bytes(_damaged(drawn, kind))
    planned = number % PLANNED == 0 and kind not in ("rules", "simulation")
    previous = signal.signal(signal.SIGALRM, _hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        return _taken(kind, path, words, planned)
    except OutgrowError as error:
        return _badly_said(str(error))
    except Hang:
        return f"{kind}: took more than {SECONDS:g} s"
    except BaseException as error:
        return f"{kind}, {words}: {type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang


def _taken(kind: str, path: Path, words: list[Any], planned: bool) -> str:
    store = path.parent / "steps"
    if kind == "rules":
        read_rules(path)
    elif kind == "simulation":
        read_simulation(path, words)
    elif kind == "suite":
        read_suite(path, words)
    else:
        experiment = read_experiment(path, words)
        if read_experiment(yaml.safe_load(dump_experiment(experiment))) != experiment:
            return f"{kind}, {words}: is another one after it was dumped and read"
    if planned:
        plan = outgrow.plan(path, *words, f"store={store}")
        json.dumps(plan.to_json())
    return f"{kind}, {words}: planning has written" if store.exists() else ""


def _badly_said(message: str) -> str:
    lines = message.split("\n")
    if len(lines) > MOST_LINES or max(map(len, lines)) > LONGEST_LINE:
        return f"a message of {len(lines)} lines and {len(message)} characters: {message[:300]}"
    if not message.strip() or PYDANTIC.search(message):
        return f"a message in others' words: {message[:300]}"
    return ""


# ---- damage -------------------------------------------------------------------------------------------------


@cache
def _examples() -> dict[str, str]:
    """By kind, a good file; paths of data are whole, as it will be read from another folder."""
    found = {"rules": RULES}
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        tree = yaml.safe_load(path.read_text())
        kind = "simulation" if "simulation" in tree else "suite" if "suite" in tree else path.stem
        found.setdefault(kind, path.read_text().replace("path: data/", f"path: {path.parent}/data/"))
    return found


def _damaged(drawn: random.Random, kind: str) -> bytes:
    text = _examples()[kind]
    how = drawn.choice((_as_tree, _as_tree, _as_text, _as_lines, _as_bytes))
    return how(drawn, text)


def _as_tree(drawn: random.Random, text: str) -> bytes:
    """Some values, or names, exchanged."""
    tree = yaml.safe_load(text)
    for _ in range(drawn.randint(1, 3)):
        holder, key = drawn.choice(list(_places(tree)))
        if isinstance(holder, dict) and drawn.random() < 0.2:
            holder[drawn.choice(["", "typ", "name", "x" * 300, "a b", "type", "no"])] = holder.pop(key)
        elif drawn.random() < 0.1:
            del holder[key]
        else:
            holder[key] = copy.deepcopy(drawn.choice(VALUES))
    return yaml.safe_dump(tree, allow_unicode=drawn.random() < 0.5, sort_keys=False).encode(errors="surrogatepass")


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    children = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in list(children):
        yield tree, key
        yield from _places(child)


def _as_text(drawn: random.Random, text: str) -> bytes:
    for _ in range(drawn.randint(1, 4)):
        at = drawn.randrange(len(text) + 1)
        text = text[:at] + drawn.choice(TEXTS) + text[at + drawn.choice((0, 0, 1, 5)) :]
    return text.encode()


def _as_lines(drawn: random.Random, text: str) -> bytes:
    lines = text.split("\n")
    for _ in range(drawn.randint(1, 3)):
        at = drawn.randrange(len(lines))
        change: Callable[[], object] = drawn.choice(
            (
                lambda at=at: lines.pop(at) if len(lines) > 1 else None,
                lambda at=at: lines.insert(at, drawn.choice(lines)),
                lambda at=at: lines.__setitem__(at, drawn.choice(("", "  ", "\t", " ")) + lines[at].lstrip()),
            )
        )
        change()
    return "\n".join(lines).encode()


def _as_bytes(drawn: random.Random, text: str) -> bytes:
    content = bytearray(text.encode())
    for _ in range(drawn.randint(1, 6)):
        content[drawn.randrange(len(content))] = drawn.randrange(256)
    return bytes(content)


def _words(drawn: random.Random) -> list[Any]:
    words: list[Any] = []
    for _ in range(drawn.choice((0, 0, 0, 1, 1, 2))):
        word = drawn.choice(WORDS)
        if drawn.random() < 0.3:
            word = f"{word.partition('=')[0]}={drawn.choice(TEXTS)}"
        elif drawn.random() < 0.2:
            word = {word.partition("=")[0].split(".")[0]: copy.deepcopy(drawn.choice(VALUES))}
        words.append(word)
    return words
