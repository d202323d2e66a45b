import marimo

__generated_with = "0.25.2"
app = marimo.App()


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # Texts of several sources

    Three made-up solvers write sentences that end with the sum of two numbers. Each is wrong at a known rate.
    Combining
    their texts needs no gold; here the truth is known, so the result can be checked. Open this notebook with
    `marimo edit texts.py`.
    """)
    return


@app.cell
def _():
    import marimo as mo
    import numpy as np
    import pandas as pd

    import outgrow

    return mo, np, outgrow, pd


@app.cell
def _(np, pd):
    rng = np.random.default_rng(0)
    numbers = rng.integers(10, 100, size=(300, 2))
    truth = {str(item): str(a + b) for item, (a, b) in enumerate(numbers)}
    right = {"careful": 0.75, "hasty": 0.55, "careless": 0.4}
    phrases = {"careful": "{a} + {b} = {x}", "hasty": "The answer is {x}.", "careless": "{x}.0"}
    rows = [
        {"item": str(item), "source": name, "text": phrases[name].format(a=a, b=b, x=a + b + slip)}
        for name, rate in right.items()
        for item, (a, b) in enumerate(numbers)
        for slip in [0 if rng.random() < rate else int(rng.integers(1, 30))]
    ]
    pd.DataFrame(rows).head()
    return rows, truth


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## One text per item

    `answer_match` reads the final answer of a text, so `12`, `12.0` and `5 + 7 = 12` agree. `answer_vote` counts
    equal answers.
    `answer_one_coin` also estimates how accurate each source is, from which sources agree.
    """)
    return


@app.cell
def _(outgrow, rows):
    texts = outgrow.read_answers(rows, label="text")
    combined = {
        method: outgrow.combine_answers(texts, method, metric="answer_match")
        for method in ("answer_vote", "answer_one_coin")
    }
    combined["answer_one_coin"].notes
    return (combined,)


@app.cell
def _(combined):
    combined["answer_one_coin"].to_pandas().sort_values("share").head()
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Checked against the truth

    The share of items whose text ends with the right number. The mean of `share` is what the label model expects of
    itself.
    """)
    return


@app.cell
def _(combined, pd, rows, truth):
    def accuracy(frame, text):
        said = frame[text].str.extract(r"(\d+)(?:\.0)?\.?$")[0]
        return float((said == frame["item"].map(truth)).mean())

    checked = {name: accuracy(frame, "text") for name, frame in pd.DataFrame(rows).groupby("source")}
    checked |= {method: accuracy(one.to_pandas(), "label") for method, one in combined.items()}
    expected = float(combined["answer_one_coin"].to_pandas()["share"].mean())
    pd.Series({**checked, "answer_one_coin expects": expected}).round(3)
    return checked, expected


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Studies of texts

    In a study, supervisors write texts with a probability for every piece, and a student learns them. A plan costs
    seconds; the run of this
    recipe takes about 40 minutes of one core: `outgrow run examples/generate_quickstart.yaml`.
    """)
    return


@app.cell
def _(mo, outgrow, pd):
    plan = outgrow.plan(mo.notebook_dir().parent / "generate_quickstart.yaml")
    steps = pd.DataFrame(plan.to_json())
    steps.groupby("name", sort=False).size()
    return (plan,)


if __name__ == "__main__":
    app.run()
