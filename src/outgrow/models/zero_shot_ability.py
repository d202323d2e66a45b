"""Can a model answer before any training? Told from its configuration, without loading it."""

from outgrow.models.model_names import BUNDLED, known_folder, parse_name
from outgrow.models.model_size import read_config

CAUSAL = ("ForCausalLM", "LMHeadModel")


def can_answer(name: str, revision: str | None = None) -> bool:
    """True for causal language models, and for a hub model of which nothing is known yet.

    Raises `DataError` for an unknown bundled model, a missing folder, or an unreadable `config.json`.
    """
    parsed = parse_name(name)
    if parsed.place == "bundled":
        return BUNDLED[parsed.base].answers
    folder = known_folder(parsed, revision)
    if folder is None:
        return True
    architectures = read_config(folder).get("architectures") or []
    return any(architecture.endswith(CAUSAL) for architecture in architectures)
