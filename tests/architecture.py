"""The package's source as the rules of the house see it: modules, functions, classes, names and code lines."""

import ast
import functools
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"

Function = ast.FunctionDef | ast.AsyncFunctionDef
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


@dataclass(frozen=True, eq=False)
class Module:
    """One file: its path below `src` and its text."""

    path: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @functools.cached_property
    def name(self) -> str:
        """The dotted name, like `layerwise.optim.base`; a folder's `__init__` has the folder's name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @functools.cached_property
    def layer(self) -> str:
        """The first part below `layerwise`; empty for the package's own `__init__`."""
        return [*self.name.split("."), ""][1]

    @functools.cached_property
    def is_folder(self) -> bool:
        return self.path.endswith("/__init__.py")

    def at(self, node: ast.AST, message: str) -> str:
        """One finding, as `file:line: message`."""
        return f"src/{self.path}:{getattr(node, 'lineno', 1)}: {message}"

    def walk(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    @functools.cached_property
    def top_level(self) -> list[ast.stmt]:
        """The statements that run at import: not those in functions, nor under `TYPE_CHECKING`."""
        found, waiting = [], list(self.tree.body)
        while waiting:
            statement = waiting.pop()
            if isinstance(statement, Function) or (
                isinstance(statement, ast.If) and "TYPE_CHECKING" in names(statement.test)
            ):
                continue
            found.append(statement)
            waiting += [
                node for node in ast.iter_child_nodes(statement) if isinstance(node, ast.stmt | ast.ExceptHandler)
            ]
        return found

    @functools.cached_property
    def aliases(self) -> dict[str, str]:
        """What each imported name stands for: `{"np": "numpy", "Tensor": "torch.Tensor"}`."""
        found = {}
        for node in self.walk(ast.Import, ast.ImportFrom):
            for alias in node.names:
                if isinstance(node, ast.ImportFrom):
                    found[alias.asname or alias.name] = f"{self.origin(node)}.{alias.name}"
                else:
                    whole = alias.name if alias.asname else alias.name.split(".")[0]
                    found[alias.asname or whole] = whole
        return found

    def origin(self, node: ast.ImportFrom) -> str:
        """The absolute name of the module that a `from ... import` reads."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        kept = parts[: len(parts) - node.level + self.is_folder]
        return ".".join([*kept, *filter(None, [node.module])])

    def imported(self, node: ast.AST) -> list[str]:
        """The modules or members that one import statement names, absolute."""
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            return [f"{self.origin(node)}.{alias.name}" for alias in node.names]
        return []

    def dotted(self, node: ast.AST) -> str:
        """The full name of `a.b.c` with imports resolved; what is not such a chain begins with `?`."""
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        if isinstance(node, ast.Subscript):
            return self.dotted(node.value)
        if isinstance(node, ast.Call):
            return f"{self.dotted(node.func)}()"
        return self.aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call and the full name of what is called."""
        return ((node, self.dotted(node.func)) for node in self.walk(ast.Call))

    @functools.cached_property
    def code_lines(self) -> list[int]:
        """The numbers of the lines that hold code: no blanks, comments or docstrings."""
        found: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in SILENT:
                found.update(range(token.start[0], token.end[0] + 1))
        for node in self.walk(ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef):
            if documented(node):
                found.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
        return sorted(found)

    def size(self, node: ast.AST) -> int:
        """The number of code lines of a function, its signature among them."""
        return sum(node.lineno <= line <= node.end_lineno for line in self.code_lines)

    @functools.cached_property
    def functions(self) -> list[tuple[Function, ast.ClassDef | None]]:
        """Every function, with its class for a method."""
        owners = {id(child): node for node in self.walk(ast.ClassDef) for child in node.body}
        return [(node, owners.get(id(node))) for node in self.walk(ast.FunctionDef, ast.AsyncFunctionDef)]

    @functools.cached_property
    def public_functions(self) -> list[tuple[Function, ast.ClassDef | None]]:
        """Functions and methods that others may call: no part of their name is private; constructors among them."""
        outer = {id(node) for node in self.tree.body}
        return [
            (node, owner)
            for node, owner in self.functions
            if (id(node) in outer or owner) and is_public(node) and (owner is None or is_public(owner))
        ]

    @functools.cached_property
    def exported(self) -> list[str] | None:
        """The names in `__all__`, or None without one."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and "__all__" in names(*node.targets):
                return list(ast.literal_eval(node.value))
        return None


def names(*nodes: ast.AST) -> set[str]:
    """All the identifiers in some pieces of code: variables and attributes."""
    inner = [child for node in nodes for child in ast.walk(node)]
    plain = {node.id for node in inner if isinstance(node, ast.Name)}
    return plain | {node.attr for node in inner if isinstance(node, ast.Attribute)}


def is_public(node: Function | ast.ClassDef) -> bool:
    return node.name == "__init__" or not node.name.startswith("_")


def documented(node: ast.AST) -> bool:
    return ast.get_docstring(node, clean=False) is not None


def decorators(node: Function | ast.ClassDef) -> set[str]:
    """The last names of the decorators: `final` for `@typing.final`, `dataclass` for `@dataclass(frozen=True)`."""
    plain = (decorator.func if isinstance(decorator, ast.Call) else decorator for decorator in node.decorator_list)
    return {decorator.attr if isinstance(decorator, ast.Attribute) else decorator.id for decorator in plain}


def arguments(node: Function, owner: ast.ClassDef | None) -> tuple[list[str], list[str]]:
    """The names of the positional and of the keyword-only arguments, without self or cls."""
    positional = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args]]
    bound = owner is not None and "staticmethod" not in decorators(node)
    return positional[bound:], [argument.arg for argument in node.args.kwonlyargs]


@dataclass(frozen=True, eq=False)
class Class:
    """One class of the package; `parents` are those of its bases that the package defines, nearest first."""

    module: Module
    node: ast.ClassDef
    bases: tuple[str, ...]
    parents: tuple["Class", ...]

    @functools.cached_property
    def ancestors(self) -> list["Class"]:
        return [found for parent in self.parents for found in [parent, *parent.ancestors]]

    @functools.cached_property
    def all_bases(self) -> set[str]:
        """The last part of the name of every base, however far up."""
        own = {base.split(".")[-1] for base in self.bases}
        return own.union(*(parent.all_bases for parent in self.parents))

    @functools.cached_property
    def methods(self) -> dict[str, ast.AST]:
        """What the class's own body binds to a name that could be a method."""
        found: dict[str, ast.AST] = {}
        for node in self.node.body:
            if isinstance(node, Function) and "overload" not in decorators(node):
                found[node.name] = node
            elif isinstance(node, ast.Assign):
                found.update((target.id, node) for target in node.targets if isinstance(target, ast.Name))
        return found

    def implements(self, name: str) -> bool:
        """Whether the own body has a method of that name which does something: not abstract, no protocol's stub."""
        node = self.methods.get(name)
        if not isinstance(node, Function) or decorators(node) & {"abstractmethod", "setter"}:
            return False
        stub = all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in node.body)
        return not (stub and "Protocol" in {base.split(".")[-1] for base in self.bases})


def classes(modules: tuple[Module, ...]) -> list[Class]:
    """Every class of the modules, its bases looked up over the imports and re-exports between them."""
    by_name = {module.name: module for module in modules}
    nodes = {f"{module.name}.{node.name}": (module, node) for module in modules for node in module.walk(ast.ClassDef)}

    def settled(name: str) -> str:
        home, _, member = name.rpartition(".")
        if name in nodes or home not in by_name or member not in by_name[home].aliases:
            return name
        return settled(by_name[home].aliases[member])

    @functools.cache
    def made(name: str) -> Class:
        module, node = nodes[name]
        found = [module.dotted(base) for base in node.bases]
        full = tuple(settled(base if "." in base else f"{module.name}.{base}") for base in found)
        return Class(module, node, full, tuple(made(base) for base in full if base in nodes and base != name))

    return [made(name) for name in nodes]


@functools.cache
def package() -> tuple[Module, ...]:
    """All the files of the package."""
    files = sorted((SOURCE / "layerwise").rglob("*.py"))
    return tuple(Module(file.relative_to(SOURCE).as_posix(), file.read_text(encoding="utf-8")) for file in files)


def sample(files: dict[str, str] | str) -> tuple[Module, ...]:
    """Made-up files of the package, by their path below `layerwise`; one text alone is `models/sample.py`."""
    files = {"models/sample.py": files} if isinstance(files, str) else files
    return tuple(Module(f"layerwise/{path}", text) for path, text in files.items())
