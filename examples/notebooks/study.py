import marimo

__generated_with = "0.25.2"
app = marimo.App()


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # A study, from its settings to a paired difference

    Two weak supervisors learn from 100 exam questions with gold and label 200 others. A student learns their
    labels, once per method.
    The study is too small for conclusions, and its intervals say so. Open this notebook with `marimo edit study.py`.
    """)
    return


@app.cell
def _():
    import marimo as mo

    import outgrow

    return mo, outgrow


@app.cell
def _(mo):
    # The content of an experiment file. Steps and reports go to `runs` beside this notebook.
    settings = {
        "name": "notebook",
        "task": {"name": "mmlu_topic", "source": "bundled", "sizes": {"half_a": 100, "half_b": 200, "test": 400}},
        "supervisors": {"words": {"type": "ngram"}, "static": {"model": "bundled:wordllama", "dims": 32}},
        "student": {"model": "bundled:wordllama"},
        "methods": ["naive", "vote", "bayesian"],
        "variants": ["plain"],
        "tune": {"l2": [0.01, 0.1], "epochs": [30], "folds": 2},
        "seeds": [0, 1],
        "bootstrap": 200,
    }
    folder = mo.notebook_dir()
    return folder, settings


@app.cell
def _(folder, outgrow, settings):
    # Nothing runs yet: a plan lists every step with its expected cost.
    experiment = {**settings, "store": str(folder / "runs" / "steps"), "output": str(folder / "runs" / "notebook")}
    plan = outgrow.plan(experiment)
    f"{len(plan.steps)} steps, {len(plan.new)} of them new, about {plan.seconds:.0f} seconds"
    return (experiment,)


@app.cell
def _(experiment, outgrow):
    # Finished steps are reused: the second run takes about a second. `load` reads a finished study in any process.
    outgrow.run(experiment)
    result = outgrow.load(experiment["output"])
    result
    return (result,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Tables

    `result.tables` lists them. Every measured number comes with its 95 % interval, the number of items, and the
    number of seeds.
    """)
    return


@app.cell
def _(result):
    main = result.to_pandas("main")
    main
    return (main,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Predictions

    One row of the table per item: what each supervisor voted, what the student learned, what it answered.
    Below: how accurate the student is where its supervisors agree, and where they do not.
    """)
    return


@app.cell
def _(result):
    answers = result.predictions("naive", seed=0, part="test")
    agree = answers["vote.words"] == answers["vote.static"]
    accuracy = (answers["answer"] == answers["gold"]).groupby(agree).mean()
    accuracy
    return accuracy, answers


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Two rows compared

    The difference is paired: both rows answer the same items under the same seeds. It is clear if its interval
    excludes 0.
    """)
    return


@app.cell
def _(outgrow, result):
    difference = outgrow.compare(result["bayesian"], result["naive"])
    difference, "clear" if difference.clear else "not clear"
    return (difference,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## Training curves
    """)
    return


@app.cell
def _(result):
    curves = result.curves("naive", "ceiling")
    losses = curves.pivot_table(index="step", columns="row", values="loss")
    losses.plot(xlabel="update", ylabel="loss")
    return (losses,)


if __name__ == "__main__":
    app.run()
