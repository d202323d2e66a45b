"""A process of a training with several: takes its part of one training after another until rank 0 ends.

It is started as `python -m outgrow.training.rank_process HANDLE LIFELINE` by `processes.py`.
"""

import faulthandler
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from outgrow.errors import OutgrowError
from outgrow.graph.lifeline import guard

if TYPE_CHECKING:
    from outgrow.training.processes import Failure


def serve(rank_0: "Connection[Any, Any]") -> None:
    """Take part in the trainings that rank 0 sends, until it sends no more."""
    from outgrow.training.processes import Learned

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # rank 0 handles Ctrl-C
    faulthandler.enable()
    while True:
        try:
            _take_part(rank_0)
        except EOFError:
            return
        except BaseException as error:
            traceback.print_exception(error)
            rank_0.send(_failure(error))
            sys.exit(1)
        rank_0.send(Learned())


def _take_part(rank_0: "Connection[Any, Any]") -> None:
    # After the start: the guard is a fork, which should come before torch's threads.
    import pickle

    import torch

    from outgrow.models.silence_transformers import silence_transformers
    from outgrow.plugins import require_loaded
    from outgrow.training.processes import Ready, Summons
    from outgrow.training.ranks import joined

    summons: Summons = rank_0.recv()
    content = rank_0.recv_bytes()
    require_loaded(summons.plugins)
    training = pickle.loads(content)
    rank_0.send(Ready())
    device = torch.device(summons.device)
    with joined(summons.rank, summons.n_ranks, summons.port, device) as ranks, silence_transformers():
        ranks.same_weights(training.model)
        training.follow(ranks)


def _failure(error: BaseException) -> "Failure":
    from outgrow.training.processes import Failure
    from outgrow.training.ranks import LostRank

    if isinstance(error, OutgrowError):
        return Failure(str(error), 2 if isinstance(error, LostRank) else 0)
    return Failure(f"a process of the training failed: {type(error).__name__}: {error}".splitlines()[0], 1)


if __name__ == "__main__":
    guard(int(sys.argv[2]), int(sys.argv[1]))
    serve(Connection(int(sys.argv[1])))
