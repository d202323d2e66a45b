"""The hub path with the real `datasets` library: on a local folder, and with the hub out of reach."""

import json
import os
import subprocess
import sys

import pytest

from outgrow.data.data_source import hub_name, read_hub
from outgrow.data.published_task import HubSource
from outgrow.errors import DataError

ROW = {"question": "q", "correct_answer": "a", "distractor1": "b", "distractor2": "c", "distractor3": "d"}


@pytest.mark.filterwarnings("ignore")  # of the datasets library and what it imports
def test_splits_of_a_data_set_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    for split, n in {"train": 3, "validation": 2}.items():
        lines = (json.dumps({**ROW, "question": f"{split} {i}"}) for i in range(n))
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    found = dict(read_hub(HubSource(str(folder)), ("train", "test", "validation")))
    assert list(found) == ["train", "validation"]
    assert found["train"].rows[2] == {**ROW, "question": "train 2"}
    only = dict(read_hub(HubSource(str(folder), columns=("question",)), ["validation"]))
    assert only["validation"].rows == [{"question": "validation 0"}, {"question": "validation 1"}]
    with pytest.raises(DataError, match="has only the splits train, validation"):
        next(read_hub(HubSource(str(folder)), ["test"]))


def test_unreachable_hub_is_said_in_one_sentence():
    script = (
        "from outgrow.config.task import TaskSection\n"
        "from outgrow.data.load_task import load_task\n"
        "from outgrow.errors import DataError\n"
        "try:\n    load_task(TaskSection(name='creak', source='hub'))\n"
        "except DataError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "`amydeng2000/CREAK@main` cannot be loaded" in done.stdout
    assert "task.source to `bundled`" in done.stdout
    assert "task.path" in done.stdout


def test_names():
    assert hub_name(HubSource("a/b")) == "a/b@main"
    assert hub_name(HubSource("a/b", "c", "d")) == "a/b/c@d"
    assert hub_name(HubSource("a/b", "c", "d"), "e") == "a/b/c@e"


def test_loading_data_imports_neither_torch_nor_the_hub_library():
    script = (
        "import sys\n"
        "from outgrow.data.load_task import load_task\n"
        "from outgrow.data.data_identity import data_identity\n"
        "from outgrow.data.preview import describe_tasks\n"
        "describe_tasks()\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
