"""Python programs under `midcall exec` load this before their own code: it lets aiohttp read the proxy variables.

Other HTTP clients read them by themselves; aiohttp does when its session is made with `trust_env=True`, which the
official library's asynchronous client has no argument for. This file is copied, and runs in the program's own Python,
whichever that is: nothing of Midcall can be imported here.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

WATCHED = "aiohttp.client"


class Watch:
    """Waits for aiohttp among the imports and changes one default; never imports it by itself."""

    @classmethod
    def find_spec(cls, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":
        """A finder's answer to the import system (PEP 451)."""
        if name != WATCHED:
            return None
        sys.meta_path.remove(cls)
        spec = PathFinder.find_spec(name, path)  # type: ignore[arg-type]
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_change(module) -> None:  # type: ignore[no-untyped-def]
                load(module)
                session = getattr(module, "ClientSession", None)
                defaults = getattr(getattr(session, "__init__", None), "__kwdefaults__", None) or {}
                if "trust_env" in defaults:
                    defaults["trust_env"] = True

            spec.loader.exec_module = load_and_change  # type: ignore[method-assign]
        return spec


def load_the_next() -> None:
    """There may be another file of this name, which is loaded without us."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [folder for folder in sys.path if os.path.abspath(folder or ".") != here]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec  # imports much, and most programs need not wait for it

        module = module_from_spec(spec)
        spec.loader.exec_module(module)


sys.meta_path.insert(0, Watch)
load_the_next()
