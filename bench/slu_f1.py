"""How long SLU-F1 takes on SLURP's test utterances, with predictions that are wrong in every way a model's are.

    python bench/slu_f1.py [FOLDER]        FOLDER holds SLURP's test.jsonl; default ../shared/data/slurp

The target is 3,000 utterances in under two seconds, reading the predicted JSON included.
"""

import json
import random
import sys
import time
from pathlib import Path

from outgrow.metrics.slu_f1 import Slot, read_answers, score, slu_counts, span_counts, write_slots

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "slurp"


def gold_slots(file: Path) -> list[list[Slot]]:
    """The slots of every utterance, fillers spelled by its tokens."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        [
            Slot(entity["type"], " ".join(row["tokens"][n]["surface"] for n in entity["span"]))
            for entity in row["entities"]
        ]
        for row in rows
    ]


def spoil(slots: list[Slot], types: list[str], draw: random.Random) -> str:
    """An answer as a weak model gives it: slots lost, made up and renamed, fillers cut and misspelled, bad JSON."""
    said = []
    for slot in slots:
        words = slot.filler.split()
        kind = draw.random()
        if kind < 0.1:
            continue
        if kind < 0.2:
            words = words[1:] + draw.choices(["the", "a", "of"], k=draw.randrange(1, 3))
        elif kind < 0.3:
            words = ["".join(draw.sample(word, len(word))) for word in words]
        said.append(Slot(draw.choice(types) if kind > 0.9 else slot.type, " ".join(words)))
    if draw.random() < 0.1:
        said.append(Slot(draw.choice(types), "something"))
    text = write_slots(said)
    return text[:-1] if draw.random() < 0.02 else text


def main() -> None:
    file = (Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER) / "test.jsonl"
    if not file.is_file():
        sys.exit(f"{file} is missing: name a folder with SLURP's test.jsonl")
    gold = gold_slots(file)
    types = sorted({slot.type for slots in gold for slot in slots})
    draw = random.Random(0)
    texts = [spoil(slots, types, draw) for slots in gold]
    began = time.perf_counter()
    answers = read_answers(texts)
    slu = score(slu_counts(gold, answers.slots))
    took = time.perf_counter() - began
    span = score(span_counts(gold, answers.slots))
    n_slots = sum(map(len, gold))
    print(f"{len(gold)} utterances, {n_slots} slots of {len(types)} types, {answers.failed.sum()} unreadable answers")
    print(f"SLU-F1 {slu.f1:.4f} (precision {slu.precision:.4f}, recall {slu.recall:.4f}), span F1 {span.f1:.4f}")
    print(f"{took:.3f} s; the target is {2 * len(gold) / 3000:.2f} s")


if __name__ == "__main__":
    main()
