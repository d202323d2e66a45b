"""Heavy libraries that are imported when they are first used: `from outgrow.lazy import torch`.

For files whose record is read by every plan, though only a run calls their functions. Annotations that name such a
library stay text: the file begins with `from __future__ import annotations`, or quotes them.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
    from scipy import optimize as optimize
    from scipy import sparse as sparse
    from scipy import special as special
else:

    class _LazyModule(ModuleType):
        """Passes every attribute on to the module of the same name."""

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self.__name__), name)

    torch = _LazyModule("torch")
    optimize = _LazyModule("scipy.optimize")
    sparse = _LazyModule("scipy.sparse")
    special = _LazyModule("scipy.special")
