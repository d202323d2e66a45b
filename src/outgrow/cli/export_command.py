"""The verb `export`: students, labels and results for the Hugging Face hub and for other programs."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from outgrow.cli.output import AsJson, say, say_json
from outgrow.errors import ConfigError

YAML = (".yaml", ".yml")


def export(
    path: Annotated[
        Path,
        typer.Argument(
            help="A student's folder, a Parquet file of combined labels, or a study's report or YAML file."
        ),
    ],
    hub: Annotated[str | None, typer.Option(help="The repository: name/repository.", show_default=False)] = None,
    public: Annotated[bool, typer.Option("--public", help="Make it public; by default it is private.")] = False,
    onnx: Annotated[
        Path | None,
        typer.Option(help="A folder for the student as an ONNX graph.", show_default=False, metavar="FOLDER"),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(help="A folder for a study's results as a data set.", show_default=False, metavar="FOLDER"),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(help="The data set's licence as you state it, such as cc-by-4.0.", show_default=False),
    ] = None,
    no_texts: Annotated[
        bool, typer.Option("--no-texts", help="Leave prompts and options out of the data set.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Upload a student, labels or results to the Hugging Face hub, or write them for other programs.

    No other command uploads to the hub. The results of a study are a data set: answers, weak labels, targets, items
    and scores as Parquet, with a card and Croissant metadata.
    """
    if sum(place is not None for place in (hub, onnx, dataset)) != 1:
        raise ConfigError("export: give one of `--hub name/repository`, `--onnx FOLDER` and `--dataset FOLDER`")
    of_study = dataset is not None or path.suffix in YAML or (path / "resolved.yaml").is_file()
    if not of_study and (licence is not None or no_texts):
        raise ConfigError("export: `--licence` and `--no-texts` are for the results of a study")
    if of_study and onnx is None:
        address = _results(path, dataset, hub, licence, not no_texts, not public)
    else:
        address = _student_or_labels(path, hub, onnx, not public)
    if as_json:
        say_json({"address": address})
    else:
        say(address)


def _student_or_labels(path: Path, hub: str | None, onnx: Path | None, private: bool) -> str:
    from outgrow.deliver.export import export as send
    from outgrow.deliver.onnx_folder import export_onnx

    return send(path, hub, private=private) if hub is not None else str(export_onnx(path, onnx or Path()))


def _results(
    path: Path, dataset: Path | None, hub: str | None, licence: str | None, texts: bool, private: bool
) -> str:
    """The folder that was written, or the address of the repository."""
    from outgrow.api import load
    from outgrow.deliver.export import upload

    result = load(path)
    if dataset is not None:
        return str(result.to_dataset(dataset, licence=licence, texts=texts))
    with tempfile.TemporaryDirectory() as name:
        folder = result.to_dataset(Path(name) / "data", licence=licence, texts=texts)
        return upload(folder, hub or "", "dataset", private)
