"""A simulation file, besides experiments and suites. A simulation trains no language model.

simulation: mixture_of_regressions
name: theory_mixture
dims: 8
components: 4
...
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from outgrow.config.load import load_tree, read_section, with_words
from outgrow.config.messages import FileLocation
from outgrow.config.override import Word
from outgrow.config.paths import REPORTS, seen_from, written_in
from outgrow.config.section import Name, Section, Seed
from outgrow.errors import ConfigError

SUM_TOLERANCE = 1e-6
"""Tolerance of the sum of shares that are written with a few decimals."""


Counts = Annotated[list[Annotated[int, Field(ge=1, le=100_000)]], Field(min_length=1)]


class Simulation(Section):
    """A mixture of linear regressions, a weak supervisor of its first component, and students that learn from it."""

    simulation: Literal["mixture_of_regressions"]
    """The simulated model."""
    name: Name
    """The simulation's name; also its folder below `runs/`."""
    dims: Annotated[int, Field(ge=2, le=256)] = 8
    """Number of coordinates of an input x, each uniform on [-1, 1]."""
    components: Annotated[int, Field(ge=2, le=256)] = 4
    """Number of concepts in the source, orthonormal directions; the first is the target. At most `dims`."""
    sigma: Annotated[float, Field(ge=0.01, le=100)] = 0.5
    """Standard deviation of the noise of every label, also of weak labels."""
    prior: list[Annotated[float, Field(gt=0, lt=1)]] | None = None
    """Share of each component in the source; sums to 1. Default: equal shares."""
    bias: Annotated[float, Field(ge=0, le=10)] = 0.6
    """Distance of the weak supervisor from the target, in the direction of the mean of the other components. Its own
    excess risk is bias²/3. From sqrt(components − 1) on its labels do not identify the target."""
    refine: Literal["mean", "mode", "draw"] = "mean"
    """A refined label: the mean of the posterior, the answer of its most probable component, or of a component drawn
    from it."""
    demonstrations: Counts = [1, 2, 4, 8, 12, 16, 20, 24, 32, 40]
    """Numbers of weak labels in the context, from which the source infers the concept; increasing."""
    refined: Annotated[int, Field(ge=2, le=100_000)] = 64
    """Number of new inputs whose refined labels the student learns; at least `dims`."""
    weak_labels: Counts = [8, 16, 32, 64, 128, 256, 512, 1024, 2048]
    """Numbers of weak labels for naive fine-tuning; increasing."""
    repetitions: Annotated[int, Field(ge=2, le=200_000)] = 20_000
    """Independent draws of everything but the components."""
    seed: Seed = 0
    """Of the components and of all draws."""
    bootstrap: Annotated[int, Field(ge=100, le=10_000)] = 1000
    """Resamples of the repetitions behind every interval."""
    output: Path | None = None
    """Folder of the report; default: `runs/NAME` in the file's folder."""

    @property
    def shares(self) -> list[float]:
        """The prior in full, scaled to the sum 1."""
        shares = self.prior or [1 / self.components] * self.components
        return [share / math.fsum(shares) for share in shares]

    @property
    def folder(self) -> Path:
        """Where the report goes."""
        return self.output or REPORTS / self.name


def read_simulation(path: str | Path, words: Sequence[Word] = ()) -> Simulation:
    """Read a simulation file; `words` are `key=value` overrides. Raises `ConfigError`."""
    tree, place = load_tree(Path(path))
    if "simulation" not in tree:
        raise ConfigError(f"{place.name}: is not a simulation: it has no key `simulation`; use `outgrow run`")
    # Paths in the file are relative to its folder, paths in words to the working directory.
    tree = seen_from(Path(path).parent, tree, Simulation)
    settings = read_section(Simulation, tree, words, place)
    if settings.output is None:
        settings = settings.model_copy(update={"output": Path(path).parent / REPORTS / settings.name})
    _check(settings, with_words(place, words))
    return settings


def simulation_settings(settings: Simulation) -> dict[str, Any]:
    """The resolved simulation as a file in its report's folder would have it."""
    tree = settings.model_dump(mode="json") | {"prior": settings.prior or settings.shares}
    return written_in(settings.folder, tree, Simulation)


def dump_simulation(settings: Simulation) -> str:
    """The same as YAML, with every default."""
    return yaml.safe_dump(simulation_settings(settings), sort_keys=False, allow_unicode=True)


def _check(settings: Simulation, place: FileLocation) -> None:
    """Checks of several keys together."""
    if settings.components > settings.dims:
        raise ConfigError(
            f"{place.at('components')}: {settings.components} orthonormal directions do not fit into"
            f" {settings.dims} dimensions; raise `dims` or lower `components`"
        )
    if settings.refined < settings.dims:
        raise ConfigError(f"{place.at('refined')}: a student of {settings.dims} dims needs at least as many labels")
    _check_prior(settings, place)
    for key, counts in (("demonstrations", settings.demonstrations), ("weak_labels", settings.weak_labels)):
        if counts != sorted(set(counts)):
            raise ConfigError(f"{place.at(key)}: the numbers must increase, not {counts}")


def _check_prior(settings: Simulation, place: FileLocation) -> None:
    if settings.prior is None:
        return
    if len(settings.prior) != settings.components:
        raise ConfigError(
            f"{place.at('prior')}: has {len(settings.prior)} shares for {settings.components} components; name all"
        )
    total = math.fsum(settings.prior)
    if abs(total - 1) > SUM_TOLERANCE:
        raise ConfigError(f"{place.at('prior')}: the shares sum to {total:.6g}; they must sum to 1")
