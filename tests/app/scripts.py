"""The scripts of the pages, compiled once for all app tests of a process; slipcover counts their lines.

Streamlit compiles scripts itself, where slipcover puts its marks into modules that are imported.
"""

import sys
from types import CodeType

from streamlit.runtime.scriptrunner.script_cache import ScriptCache


class Scripts(ScriptCache):
    """Streamlit's cache of compiled scripts, each with the marks of slipcover where that is at work."""

    def __init__(self) -> None:
        super().__init__()
        self._marked: dict[str, CodeType] = {}

    def get_bytecode(self, script_path: str) -> CodeType:
        """The code of a script. Raises what reading or compiling it raises."""
        if script_path not in self._marked:
            self._marked[script_path] = marked(script_path, super().get_bytecode(script_path))
        return self._marked[script_path]


def marked(path: str, code: CodeType) -> CodeType:
    """The code with marks, if slipcover would put them into a module that was imported from this file. It is not in every environment."""
    for finder in sys.meta_path:
        if type(finder).__name__ == "SlipcoverMetaPathFinder" and finder.file_matcher.matches(path):  # type: ignore[attr-defined]
            marks: CodeType = finder.sci.instrument(code)  # type: ignore[attr-defined]
            return marks
    return code
