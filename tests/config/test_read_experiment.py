"""Reading an experiment: precedence, presets, and one clear sentence for everything that is wrong."""

import copy
import random
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.config.load import dump_experiment, read_experiment
from outgrow.config.presets import presets
from outgrow.config.recipes import where_to_start
from outgrow.config.suite import is_suite
from outgrow.errors import ConfigError, OutgrowError
from outgrow.losses.evidential_record import Evidential

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.yaml"))
OTHERS = [path for path in EXAMPLES if is_suite(path) or path.stem.startswith("theory")]
"""Suites and simulations have readers, and tests, of their own."""

GOOD = {
    "name": "small",
    "task": {"name": "mmlu_topic", "sizes": {"half_a": 10, "half_b": 20, "test": 30}},
    "supervisors": {"words": {"type": "ngram"}, "static": {"model": "bundled:wordllama", "tune": {"lr": [0.1]}}},
    "student": {"model": "bundled:minilm-l6", "layer": [4, 6]},
    "methods": ["naive", {"preset": "bayesian", "loss": {"type": "evidential", "kl": "mixed"}}],
}


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path not in OTHERS], ids=lambda path: path.stem)
def test_every_example_parses_and_survives_its_own_dump(path: Path) -> None:
    experiment = read_experiment(path)
    assert read_experiment(yaml.safe_load(dump_experiment(experiment))) == experiment


def test_precedence_is_defaults_then_file_then_words() -> None:
    assert read_experiment(GOOD).bootstrap == 2000
    assert read_experiment({**GOOD, "bootstrap": 500}).bootstrap == 500
    assert read_experiment({**GOOD, "bootstrap": 500}, ["bootstrap=700"]).bootstrap == 700


def test_words_reach_lists_nested_keys_and_numbers_in_scientific_notation() -> None:
    experiment = read_experiment(
        GOOD, ["seeds=3,4", "task.sizes.test=7", "methods.0=vote", "student.training.lr=1e-4", "tune.l2=[0.1]"]
    )
    assert experiment.seeds == [3, 4]
    assert experiment.task.sizes.test == 7
    assert experiment.methods[0].combine.type == "vote"
    assert experiment.student.training.lr == 1e-4
    assert experiment.tune.l2 == [0.1]


def test_words_leave_the_given_mapping_alone() -> None:
    before = copy.deepcopy(GOOD)
    read_experiment(GOOD, ["task.sizes.test=7", "methods.0=vote"])
    assert before == GOOD


def test_a_preset_is_filled_in_and_can_be_changed() -> None:
    bayesian = read_experiment(GOOD).methods[1]
    assert bayesian.name == "bayesian"
    assert bayesian.loss == Evidential(type="evidential", kl="mixed")


def test_every_preset_is_a_valid_row() -> None:
    experiment = read_experiment({**GOOD, "methods": list(presets())})
    assert [method.name for method in experiment.methods] == list(presets())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("task.sizes.tset=7", "task.sizes.tset: unknown key; did you mean `test`?"),
        ("supervisors.words.unit=syllable", "supervisors.words.unit: 'syllable' is not one of 'word' or 'char'"),
        ("supervisors.words.type=ngrm", "did you mean `ngram`?"),
        ("supervisors.words.longst=3", "did you mean `longest`?"),
        ("supervisors.static.adapt=prob", "supervisors.static.adapt: 'prob' is not one of"),
        ("supervisors.static.tune.lr=[-1]", "greater than 0"),
        ("supervisors.gold.type=ngram", "the study itself uses this name"),
        ("methods.0=naiv", "methods.0: no method named `naiv`; did you mean `naive`?"),
        ("methods.7=naive", "`7` is not an index of the list (0 … 1)"),
        ("methods.1=naive", "methods.1: `naive` occurs twice"),
        ("methods.1.loss.kl_wieght=1", "methods.1.loss.kl_wieght: unknown key; did you mean `kl_weight`?"),
        ("methods.0.combine={type: single, source: word}", "no supervisor `word`; did you mean `words`?"),
        ("methods.0.combine={type: keep_all, weights: {words: -1}}", "weights must be >= 0"),
        ("methods=[]", "methods"),
        ("seeds=1,1", "seeds.1: `1` occurs twice"),
        ("seeds=x", "seeds"),
        ("variants=[two_views]", "needs a `second_view`"),
        ("second_view.model=bundled:minilm-l6", "is not used"),
        ("name=a/b", "name"),
        ("student=3", "student"),
        ("nonsense", "written key.sub=value"),
        ("seeds=[1", "not YAML"),
    ],
)
def test_a_mistake_gets_a_sentence_with_the_key_and_the_fix(word: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_experiment(GOOD, [word])
    assert said in str(error.value)


MIXED = {
    **GOOD,
    "task": {
        "name": "mixed",
        "sizes": {"half_a": 10, "test": 30},
        "capabilities": {
            "maths": {"name": "sums", "sizes": {"half_a": 3}},
            "time": {"name": "mc_taco", "path": "taco"},
        },
    },
}


def test_capabilities_are_read_with_their_paths_and_sizes(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(MIXED))
    experiment = read_experiment(path, ["task.capabilities.time.revision=v1", "task.sizes.half_b=7"])
    sets = experiment.task.capabilities
    assert list(sets) == ["maths", "time"]
    assert (sets["time"].path, sets["time"].revision) == (tmp_path / "taco", "v1")
    assert {one.form for one in sets.values()} == {"text"}
    sizes = experiment.task.sizes_by_capability
    assert [(one.half_a, one.half_b, one.test) for one in sizes.values()] == [(3, 7, 30), (10, 7, 30)]
    assert read_experiment(GOOD).task.sizes_by_capability == {"": read_experiment(GOOD).task.sizes}
    again = read_experiment(yaml.safe_load(dump_experiment(experiment)))
    assert again == experiment


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("task.capabilities.maths.pth=x", "task.capabilities.maths.pth: unknown key; did you mean `path`?"),
        (
            "task.capabilities.maths.sizes.tset=1",
            "task.capabilities.maths.sizes.tset: unknown key; did you mean `test`?",
        ),
        ("task.capabilities.maths.form=binary", "task.capabilities.maths.form: 'binary' is not one of 'text'"),
        ("task.capabilities.maths.resplit=false", "task.capabilities.maths.resplit: unknown key"),
        ("task.capabilities.new.path=x", "task.capabilities.new.name: is required"),
        ("task.capabilities.a/b={name: sums}", "task.capabilities.a/b: 'a/b' is not a name; use letters"),
        ("task.capabilities=3", "task.capabilities: write names with their values, such as `capabilities: {NAME: …}`"),
        ("task.capabilities.maths=3", "task.capabilities.maths: write a section, such as `maths: {name: …}`, not 3"),
    ],
)
def test_a_mistake_in_a_capability_is_told_with_its_whole_key(word: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_experiment(MIXED, [word])
    assert said in str(error.value)


FAR = {"type": "endpoint", "model": "far", "url": "http://127.0.0.1:8000/v1"}
WRITTEN = {
    **GOOD,
    "supervisors": {"far": FAR},
    "methods": ["icl"],
    "judges": {"jury": {"by": FAR, "scales": {"style": [1, 10]}}},
    "measures": {"arr": {"type": "rule", "pattern": "^Arr"}},
}


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("supervisors.far.budget=1000", "supervisors.far.budget: write `budget: {tokens: 1000}`, not 1000"),
        ("supervisors.far.budget.money=5", "supervisors.far: budget.money: needs `prices`"),
        ("supervisors.far.url=http://127.0.0.1:8000", "supervisors.far.url: write the address up to `/v1`, such as"),
        ("supervisors.far.url=http://127.0.0.1:8000/", "write the address up to `/v1`"),
        ("supervisors.far.url=http://h/v1/chat/completions", "write the address up to `/v1`"),
        ("supervisors.far.url=127.0.0.1:8000/v1", "write the address up to `/v1`"),
        ("supervisors.far.key=sk-secret", "supervisors.far.key: write the name of the environment variable"),
        (
            "supervisors.far.options={messages: []}",
            "supervisors.far.options: `messages` is set by outgrow in every request",
        ),
        (
            "supervisors.far.options={stream: true}",
            "supervisors.far.options: `stream` is set by outgrow in every request",
        ),
        ("supervisors.far.options={a: [.nan]}", "supervisors.far.options: numbers in JSON are finite"),
        ("judges.jury.scales={content: 10}", "jury.scales: content: write the lowest and the highest rating, such as"),
        ("judges.jury.scales={style: [10, 1]}", "`style: [1, 10]`, not [10, 1]"),
        ("judges.jury.scales={style: [1, .inf]}", "style: write the lowest and the highest rating"),
        ("judges.jury.scales=[warmth]", "such as `scales: {warmth: [1, 10]}`"),
        ("judges.jury.scales={}", "such as `scales: {content: [1, 10]}`"),
        ("judges.jury.by=host", "judges.jury.by: write `by: {model: host}`, not 'host'"),
        ("judges.jury=3", "judges.jury: write a section, such as `jury: {by: …}`, not 3"),
        ("methods.0.refine=icl", "methods.0.refine: write `refine: {type: icl}`, not 'icl'"),
        ("methods.0.refine=alone", "refine: write a section, such as `refine: {type: …}`; known: `icl`, `infer_and"),
        ("methods.0.refine.by=far", "write `by: {model: far}`, not 'far'"),
        ("methods.0.refine={batch: 4}", "methods.0.refine: needs a `type`; known: `icl`, `infer_and_respond`"),
        ("methods.0.refine.type=icll", "methods.0.refine.type: `icll` is unknown; did you mean `icl`?"),
        ("measures.arr.pattern=(", "measures.arr.pattern: `(` is not a regular expression (missing ), unterminated"),
        ("supervisors={}", "supervisors: has 0 entries; give at least 1"),
        ("methods=[3]", "methods.0: write a section, such as `{name: …}`, not 3"),
        ("task=tales", "task: write `task: {name: tales}`, not 'tales'"),
        ("student=true", "student: write a section, such as `student: {model: …}`, not true"),
    ],
)
def test_a_value_of_the_wrong_form_comes_with_the_right_one(word: str, said: str) -> None:
    read_experiment(WRITTEN)
    with pytest.raises(ConfigError) as error:
        read_experiment(WRITTEN, [word])
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert "alue error" not in str(error.value)
    assert "sk-secret" not in str(error.value).replace(word, "")


def test_a_key_goes_to_openai_by_itself_and_to_nobody_else() -> None:
    def key(url: str, **more: object) -> str | None:
        study = {**GOOD, "supervisors": {"far": {**FAR, "url": url, **more}}}
        section = read_experiment(study).supervisors["far"]
        assert read_experiment(yaml.safe_load(dump_experiment(read_experiment(study)))).supervisors["far"] == section
        return section.key

    assert key("https://api.openai.com/v1") == key("https://API.openai.com:443/v1/") == "OPENAI_API_KEY"
    assert key("https://api.openai.com/v1", key="MINE") == key("https://elsewhere.org/v1", key="MINE") == "MINE"
    for other in ("http://127.0.0.1:8000/v1", "https://api.openai.com.evil.org/v1", "https://evil.org/api.openai.com"):
        assert key(other) is None


def test_every_file_that_a_study_names_is_seen_from_its_own_folder(tmp_path: Path) -> None:
    asked = {"type": "icl", "prompts": "asked"}
    study = {
        **WRITTEN,
        "task": {"name": "both", "capabilities": {"path": {"name": "own", "path": "~/own.csv"}}},
        "methods": [
            {"preset": "icl", "refine": {"prompts": "mine"}},
            {"preset": "agreement", "stages": [{"select": {"type": "agreement", "strong": asked}}]},
        ],
        "judges": {
            "prompt": {**WRITTEN["judges"]["jury"], "prompt": "/whole/rate.txt"},
            "b": WRITTEN["judges"]["jury"],
        },
    }
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(study))
    found = read_experiment(path, ["judges.b.prompt=rate.txt"])
    assert found.task.capabilities["path"].path == Path("~/own.csv").expanduser()
    assert found.methods[0].refine.prompts == tmp_path / "mine"
    assert found.methods[1].stages[0].select.strong.prompts == tmp_path / "asked"
    assert found.judges["prompt"].prompt == Path("/whole/rate.txt")
    assert found.judges["b"].prompt == Path("rate.txt"), "a word is said in the working directory"


def test_prices_make_a_budget_of_money_bind() -> None:
    priced = read_experiment(WRITTEN, ["supervisors.far.prices.output=2", "supervisors.far.budget.money=5"])
    assert priced.supervisors["far"].budget.money == 5
    with pytest.raises(ConfigError, match=r"budget\.money: needs `prices`"):
        read_experiment(WRITTEN, ["supervisors.far.prices.training=2", "supervisors.far.budget.money=5"])


def test_a_change_without_a_type_is_of_the_named_rows_own_section() -> None:
    rows = [
        {"preset": "icl", "refine": {"batch": 4}},
        {"preset": "bayesian", "loss": {"kl_weight": 0.5}},
        {"preset": "bayesian_mixed", "loss": {"type": "evidential"}},
        {"preset": "self_bootstrap", "name": "other", "refine": {"type": "icl"}},
    ]
    icl, bayesian, mixed, other = read_experiment({**GOOD, "methods": rows}).methods
    assert (icl.refine.type, icl.refine.batch) == ("icl", 4)
    assert (bayesian.loss.type, bayesian.loss.kl_weight) == ("evidential", 0.5)
    assert mixed.loss.kl is None, "with a type the section is a new one"
    assert other.refine.type == "icl"
    assert presets()["icl"] == {"refine": {"type": "icl"}}


def test_a_mistake_in_a_file_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(GOOD, sort_keys=False).replace("half_b: 20", "halfb: 20"))
    line = path.read_text().splitlines().index("    halfb: 20") + 1
    with pytest.raises(ConfigError, match=f"x.yaml:{line}: task.sizes.halfb: unknown key; did you mean `half_b`"):
        read_experiment(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name: [", "not YAML"),
        (b"- 1", "is a mapping with keys"),
        (b"", "is a mapping with keys"),
        (b"name: \xff\xfe", "not UTF-8"),
        (b"name: a\nname: b", "line 2: the key `name` occurs twice"),
        (b"? [a, b]\n: 1", "key"),
        (b"a: &a [*a]", ""),
        (b"studen]: 1", "studen]: unknown key; did you mean `student`"),
    ],
)
def test_a_damaged_file_gets_a_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_experiment(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_missing_file_says_where_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="examples ls"):
        read_experiment(tmp_path / "absent.yaml")
    for name in ("persona_laptop", "persona_laptop.yaml", "examples/persona_laptop.yaml"):
        assert where_to_start(Path(name)) == "`outgrow examples cp persona_laptop` copies that recipe to this folder"
    assert "cp ablations/weights`" in where_to_start(Path("ablations/weights"))
    (tmp_path / "mine.yaml").write_text("name: x")
    with pytest.raises(ConfigError, match=r"no such file; did you mean `.*mine\.yaml`\?"):
        read_experiment(tmp_path / "mine")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(value=JSON, randomness=st.randoms(use_true_random=False))
def test_damaged_experiments_are_read_or_refused_never_a_traceback(value: object, randomness: random.Random) -> None:
    tree = copy.deepcopy(GOOD)
    _damage(tree, value, randomness)
    with suppress(OutgrowError):
        read_experiment(tree)


def _damage(tree: object, value: object, randomness: random.Random) -> None:
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))  # type: ignore[arg-type]
        key = randomness.choice(keys)
        child = tree[key]  # type: ignore[index]
        if not isinstance(child, dict | list) or not child or randomness.random() < 0.2:
            tree[key] = value  # type: ignore[index]
            return
        tree = child


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_bytes_are_read_or_refused_never_a_traceback(data: st.DataObject) -> None:
    content = bytearray(yaml.safe_dump(GOOD).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with TemporaryDirectory() as folder, suppress(OutgrowError):
        (Path(folder) / "damaged.yaml").write_bytes(content)
        read_experiment(Path(folder) / "damaged.yaml")


def test_an_override_of_a_named_row_does_not_reach_the_next_experiment() -> None:
    changed = read_experiment(copy.deepcopy(GOOD), ["methods=[bayesian]", "methods.0.loss.kl_weight=7"])
    again = read_experiment(copy.deepcopy(GOOD), ["methods=[bayesian]"])
    assert changed.methods[0].loss != again.methods[0].loss


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": [3, 4], "task": {"sizes": {"test": 7}}, "student": {"training": {"lr": 0.5}}},
        {"seeds": "3,4", "task.sizes.test": 7, "student.training.lr": 0.5},
        {"seeds": (3, 4), "task": {"sizes": {"test": "7"}}, "student": {"training": {"lr": 0.5}}, "bootstrap": None},
    ],
)
def test_a_mapping_is_an_override_too(change: dict[str, object]) -> None:
    wanted = read_experiment(GOOD, ["seeds=3,4", "task.sizes.test=7", "student.training.lr=0.5"])
    assert read_experiment(GOOD, [change]) == wanted
    assert read_experiment(GOOD, ["seeds=9", change]) == wanted
    assert wanted.task.sizes.half_a == 10


def test_a_mapping_as_an_override_is_named_where_it_is_wrong() -> None:
    with pytest.raises(
        ConfigError, match=r"^override `task.sizes.tset=7`: task.sizes.tset: unknown key; did you mean"
    ):
        read_experiment(GOOD, [{"task": {"sizes": {"tset": 7}}}])


@pytest.mark.parametrize("seeds", [7, "7", [7], "7, 8", "7,8", [7, "8"]])
def test_a_list_is_written_alike_in_a_file_and_in_an_override(seeds: object) -> None:
    told = ",".join(map(str, seeds)) if isinstance(seeds, list) else seeds
    assert read_experiment({**GOOD, "seeds": seeds}) == read_experiment(GOOD, [f"seeds={told}"])
    assert read_experiment({**GOOD, "variants": "plain,matching"}) == read_experiment(
        GOOD, ["variants=plain,matching"]
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("name=a,@b", "the value is not YAML: line 1, column 1: found character '@' that cannot start any token"),
        ("seeds=a,*b", "the value is not YAML: line 1, column 1: found undefined alias 'b'"),
        ("store=x,[y", "the value is not YAML"),
        ("task=" + "[" * 5000, "nested more than 50 deep"),
        ("task=" + "{a: " * 500, "nested more than 50 deep"),
        ("seeds.²=5", "`²` is not an index of the list (0 … 1)"),
        ("seeds.99999999999999999999=5", "is not an index of the list (0 … 1)"),
        ("student.model=~nosuchuser/x", ""),
        ("student.training.lr=.nan", "student.training.lr: write a number greater than 0 and at most 1000, not nan"),
        ("seeds=!!int ''", "`` is not of type int"),
        ("seeds=!!timestamp x", "the tag `tag:yaml.org,2002:timestamp` is unknown"),
        ("seeds=" + ":".join(["1"] * 3000), "seeds.0: write a whole number"),
        ("seeds=" + "9" * 3000, "a number of more than 300 digits"),
        ("seeds=[-1]", "seeds.0: write a whole number at least 0"),
        ("seeds=4294967296", "seeds.0: write a whole number at least 0"),
        ("name=" + "x" * 256, "name: a name of 256 characters; the maximum is 200"),
        ('name="a\\0b"', "name: 'a\\x00b' is not a name"),
        ('output="a\\0b"', "output: contains a NUL character"),
        ("output=" + "x" * 256, "output: a path of 256 bytes; the maximum is 4000, and 255 for one part"),
        ('name="\\ud800"', "holds half a character"),
        ("task.path=~nosuchuser/x", "`~nosuchuser/x`: this user has no home folder"),
        ("student.model=" + "x" * 300, ""),
        ("student.training.epochs=-1", "student.training.epochs: write a number greater than 0"),
        ("=5", "an override is written key.sub=value"),
    ],
)
def test_an_odd_override_gets_a_sentence(word: str, said: str) -> None:
    study = {**GOOD, "seeds": [3, 4]}
    if not said:
        assert read_experiment(study, [word]).student.model == word.partition("=")[2]
        return
    with pytest.raises(ConfigError) as error:
        read_experiment(study, [word])
    assert said in str(error.value)
    assert "\n" not in str(error.value)


BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "line 5: more than 100,000 values, with every use of an alias counted"),
        ("a: &a {b: *a}", "recursive"),
        ("name: x\ntask:\n\tname: y\n", "line 3 is indented with a tab; use spaces"),
        ("a: " + "[" * 3000, "line 1: nested more than 50 deep"),
        ("a: !!set {b}", "line 1: the tag `tag:yaml.org,2002:set` is unknown; plain values need none"),
        ("x: y\n" * (1 << 19), "more than 1,048,576 characters"),
        ("a: &a {name: x}\nb: {<<: *a, name: y, name: z}", "line 2: the key `name` occurs twice"),
        ("---\na: 1\n---\nb: 1\n", "another document"),
    ],
    ids=["bomb", "recursive", "tab", "deep", "tag", "long", "twice", "two documents"],
)
def test_yaml_that_stands_for_too_much_gets_a_sentence(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_experiment(path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < 400


def test_a_folder_and_an_endless_device_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder without .*resolved\.yaml.*; name a YAML file"):
        read_experiment(tmp_path)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_experiment("/dev/zero")


def test_keys_are_texts_and_aliases_are_copies(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    study = copy.deepcopy(GOOD)
    del study["supervisors"], study["student"]
    path.write_text(
        yaml.safe_dump(study)
        + "supervisors:\n  no: &far {model: a, training: {lr: 1e-4}}\n  1: *far\n  x: {type: ngram}\n"
        + "student: *far\n"
    )
    found = read_experiment(path, ["student.training.lr=0.5"])
    assert list(found.supervisors) == ["no", "1", "x"]
    assert found.supervisors["no"].training.lr == found.supervisors["1"].training.lr == 1e-4
    assert found.student.training.lr == 0.5
