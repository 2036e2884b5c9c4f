"""A disk that loses power: what was written without a sync may be gone or torn, what was renamed without one undone."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from layerwise import files

Tree = dict[PurePath, bytes | None]


@dataclass
class Disk:
    """The operations in a folder, in order; names are relative to it."""

    root: Path
    operations: list[tuple[str, Any]] = field(default_factory=list)

    def record(self, patch: Callable[[object, str, Any], None]) -> None:
        """Note every operation from now on; `patch` is that of pytest's monkeypatch."""
        self._note(patch, Path, "write_bytes", lambda path, data: ("write", (path, bytes(data))))
        self._note(patch, files, "_sync", lambda path: ("sync", path))
        self._note(patch, Path, "replace", lambda one, other: ("rename", (one, Path(other))))
        self._note(patch, shutil, "rmtree", lambda path, **more: ("remove", Path(path)))
        self._note(patch, files.tempfile, "mkdtemp", None)
        self._note(patch, files, "_exchange", lambda one, other: ("exchange", (one, other)))

    def acknowledge(self, what: object) -> None:
        """Note that the writer has told somebody it was safe."""
        self.operations.append(("told", what))

    def _note(self, patch: Callable[[object, str, Any], None], owner: object, name: str, what: Any) -> None:
        original = vars(owner)[name]

        def noted(*arguments: Any, **more: Any) -> Any:
            result = original(*arguments, **more)
            self.operations.append(("make", Path(result)) if what is None else what(*arguments, **more))
            return result

        patch(owner, name, noted)

    def after(self, number: int, chance: random.Random) -> tuple[Tree, list[object]]:
        """What the disk may hold when the power fails after so many operations, and what had been told by then."""
        told = [value for name, value in self.operations[:number] if name == "told"]
        tree: Tree = {}
        synced: set[PurePath] = set()
        before = list(enumerate(self.operations[:number]))
        # Names reach the disk in order, as a journal keeps them, and at the latest with a sync of their folder.
        names = [(place, step) for place, step in before if step[0] not in ("sync", "told")]
        syncs = [place for place, (name, value) in before if name == "sync" and value == self.root]
        last_sync = max(syncs, default=-1)
        kept = sum(place <= last_sync for place, _ in names)
        kept += chance.randint(0, len(names) - kept)
        limit = names[kept - 1][0] if kept else -1
        for place, (name, value) in before:
            if name == "sync":
                synced.add(self._in(value))
                continue
            if name == "told" or place > limit:
                continue
            self._apply(tree, synced, name, value)
        for path, data in tree.items():
            if data is not None and path not in synced:
                tree[path] = self._torn(data, chance)
        return tree, told

    def _apply(self, tree: Tree, synced: set[PurePath], name: str, value: Any) -> None:
        if name == "make":
            tree[self._in(value)] = None
        elif name == "write":
            tree[self._in(value[0])] = value[1]
            synced.discard(self._in(value[0]))
        elif name == "remove":
            for path in [path for path in tree if self._within(path, self._in(value))]:
                del tree[path]
        elif name == "rename":
            self._move(tree, synced, *map(self._in, value))

    def _move(self, tree: Tree, synced: set[PurePath], one: PurePath, other: PurePath) -> None:
        for path in [path for path in tree if self._within(path, one)]:
            new = other / path.relative_to(one)
            tree[new] = tree.pop(path)
            if path in synced:
                synced.add(new)

    def _in(self, path: Path) -> PurePath:
        return PurePath(path).relative_to(self.root)

    @staticmethod
    def _within(path: PurePath, folder: PurePath) -> bool:
        return path == folder or folder in path.parents

    @staticmethod
    def _torn(data: bytes, chance: random.Random) -> bytes:
        kind = chance.choice(["whole", "gone", "cut", "zeros"])
        place = chance.randint(0, len(data))
        return {"whole": data, "gone": b"", "cut": data[:place], "zeros": data[:place] + bytes(len(data) - place)}[kind]


def lay_out(tree: Tree, folder: Path) -> None:
    """Make the folder that the disk holds."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path, data in tree.items():
        if data is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        else:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
