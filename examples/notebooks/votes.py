import marimo

__generated_with = "0.25.2"
app = marimo.App()


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    # From votes to a student

    Five made-up people voted on support tickets. How accurate are they, what is each ticket's label, and how good is a
    model that learns these labels? Open this notebook with `marimo edit votes.py`.
    """)
    return


@app.cell
def _():
    import marimo as mo

    import outgrow

    data = mo.notebook_dir().parent / "data"
    return data, mo, outgrow


@app.cell
def _(data, outgrow):
    votes = outgrow.read_labels(data / "ticket_votes.csv")
    f"{votes.n_votes} votes of {len(votes.sources)} sources on {len(votes.items)} items: {', '.join(votes.classes)}"
    return (votes,)


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## How good are the sources?

    Nobody gave gold. The trust report estimates accuracies from agreement, finds sources that copy, and says what
    remains unknown.
    """)
    return


@app.cell
def _(outgrow, votes):
    trust = outgrow.trust(votes, n_next=10)
    accuracies = {source.name: source.by_agreement for source in trust.sources}
    accuracies
    return accuracies, trust


@app.cell
def _(trust):
    trust.summary
    return


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## One label per item

    `bayesian_dawid_skene` weighs sources by their estimated confusions and counts copied sources once.
    """)
    return


@app.cell
def _(outgrow, votes):
    combined = outgrow.combine(votes, "bayesian_dawid_skene")
    labels = combined.to_pandas()
    labels.sort_values("confidence").head(10)
    return combined, labels


@app.cell(hide_code=True)
def _(mo):
    mo.md("""
    ## A student

    A study with the votes as supervisors compares students of several combiners with each other and with a student
    of gold (`ceiling`).
    This student is a linear head on word vectors, so that it takes seconds. `outgrow.train` fine-tunes a language
    model on the same votes
    and writes a folder for `from_pretrained`; it needs minutes.
    """)
    return


@app.cell
def _(data, mo, outgrow):
    runs = mo.notebook_dir() / "runs"
    words = [f"store={runs / 'steps'}", f"output={runs / 'ticket_votes'}", "seeds=0", "bootstrap=200"]
    result = outgrow.run(data.parent / "ticket_votes.yaml", *words, "methods=[naive,bayesian_dawid_skene]")
    scores = {name: result[name].score for name in ("naive", "bayesian_dawid_skene", "ceiling")}
    scores
    return result, scores


@app.cell
def _(result):
    student = result.student("bayesian_dawid_skene")
    answers = student.predict(["I was charged twice this month.", "The app closes when I open a photo."])
    answers
    return (answers,)


if __name__ == "__main__":
    app.run()
