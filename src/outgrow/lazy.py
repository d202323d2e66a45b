"""Heavy libraries that are imported when they are first used: `from outgrow.lazy import torch`.

For files whose record is read by every plan, though only a run calls their functions. Such a file begins with
`from __future__ import annotations`, so that annotations such as `Float[torch.Tensor, "item class"]` stay text.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch as torch
else:

    class _LazyModule(ModuleType):
        """Passes every attribute on to the module of the same name."""

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self.__name__), name)

    torch = _LazyModule("torch")
