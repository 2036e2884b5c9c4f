"""The rules of the house, read off the source: one test a rule, and samples that prove each rule can fail."""

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.architecture import (
    ROOT,
    Class,
    Module,
    arguments,
    classes,
    decorators,
    documented,
    names,
    package,
    sample,
)

Modules = tuple[Module, ...]

FUNCTION_LINES = 45
FILE_LINES = 300
ARGUMENTS = 8
ESTIMATOR_ARGUMENTS = 20
REPEATED_LINES = 6
REPEATED_SHARE = 0.05

BOTTOM = {"errors", "files", "manifest", "memory", "randomness", "runtime", "terminal"}
PARTS = BOTTOM | {"data", "corruptions", "models", "penalties", "constraints", "optim"}
# What each folder or file of the package may import beside itself. The package's own __init__ is an index of names:
# it may import all of them, and nothing may import it.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "manifest": {"errors", "files"},
    "memory": set(),
    "randomness": {"errors"},
    "runtime": {"errors"},
    "terminal": set(),
    "data": BOTTOM,
    "corruptions": BOTTOM,
    "models": BOTTOM | {"data", "corruptions"},
    "penalties": BOTTOM | {"data", "corruptions", "models"},
    "constraints": BOTTOM | {"data", "corruptions", "models"},
    "optim": PARTS - {"optim"},
    "training": PARTS,
    "recipes": PARTS | {"training"},
    "diagnostics": BOTTOM | {"data", "models", "penalties", "optim"},
    "cards": BOTTOM | {"models"},
    "storage": BOTTOM | {"data", "models", "cards"},
    "report": PARTS | {"training", "recipes", "diagnostics", "storage"},
    "estimators": PARTS | {"training", "recipes", "diagnostics", "storage", "report"},
    "option_words": {"errors", "corruptions"},
    "options": PARTS | {"training", "recipes", "estimators", "option_words"},
    "tuning": PARTS | {"training", "recipes", "estimators"},
    "exporting": BOTTOM | {"data", "models", "estimators"},
    "commands": PARTS
    | {"training", "recipes", "diagnostics", "storage", "report", "estimators", "exporting", "options", "tuning"},
    # The command line starts fast: all that is heavy is behind `commands`, imported by the verb that runs.
    "cli": {"errors", "terminal", "commands", "option_words", "options", "tuning"},
    "__main__": {"cli"},
}

# Installed by an extra, or slow to import where it is not needed.
LATE = {
    *("PIL", "jinja2", "matplotlib", "pandas", "plotly", "polars"),
    *("curvlinops", "mlflow", "onnx", "onnxruntime", "onnxscript", "optuna", "pyod", "tensorboard", "xgboost"),
    *("sacrebleu", "tokenizers"),
    *("beartype", "hypothesis", "psutil", "pytest"),
    "sklearn.datasets",
}
EXTRAS_AT_HOME = {"report": {"PIL", "jinja2", "matplotlib"}}
PICKLES = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve", "torch.distributed.checkpoint"}
LOOK_UPS = {"hasattr", "getattr", "setattr", "delattr", "eval", "exec", "globals", "locals"}
DRAWS = {"bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn", "randperm"}
DRAWS_LIKE = {"rand_like", "randint_like", "randn_like"}
DRAWS_IN_PLACE = {
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
}
INITIALIZERS = {"kaiming_normal_", "kaiming_uniform_", "orthogonal_", "sparse_", "trunc_normal_", "xavier_normal_"}
GLOBAL_SWITCHES = {
    *("torch.manual_seed", "torch.random.manual_seed", "torch.seed", "torch.set_rng_state", "torch.random.fork_rng"),
    *("torch.cuda.manual_seed", "torch.cuda.manual_seed_all", "torch.set_default_dtype", "torch.set_default_device"),
    *("torch.use_deterministic_algorithms", "torch.nn.functional.dropout", "torch.nn.Dropout"),
}
OWN_STATE = {"default_rng", "Generator", "PCG64", "Philox", "RandomState", "SeedSequence", "Random"}
PRINTS = {"print", "pprint.pprint", "rich.print"}
WRITES = {"sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho"}  # The command line's own way to speak.
# Three equals, which every reader of the design knows in this order: what is trained, on what, how.
THREE_ARE_PLAIN = {("layerwise.training.loop", "fit")}


def arrows_point_down(modules: Modules) -> list[str]:
    found = []
    for module in modules:
        if not module.layer:
            continue
        if module.layer not in ARROWS:
            found.append(f"src/{module.path}:1: {module.layer!r} has no row in ARROWS; say there what it may import.")
            continue
        for node in module.walk(ast.Import, ast.ImportFrom):
            for name in module.imported(node):
                package_name, target = [*name.split("."), ""][:2]
                if package_name != "layerwise" or target in {module.layer, "__version__"}:
                    continue
                if target not in ARROWS:
                    found.append(module.at(node, f"{name} comes from the index; import it from where it lives."))
                elif target not in ARROWS[module.layer]:
                    found.append(module.at(node, f"{module.layer} must not know {target}."))
    return found


def functions_are_short(modules: Modules) -> list[str]:
    found = []
    for module in modules:
        for node, _ in module.functions:
            # A command's signature is a table of options, one a line or more; its body is what can get too long.
            size = sum(map(module.size, node.body)) if is_command(node) else module.size(node)
            if size > FUNCTION_LINES:
                found.append(module.at(node, f"{node.name} has {size} code lines, more than {FUNCTION_LINES}."))
    return found


def files_are_short(modules: Modules) -> list[str]:
    return [
        f"src/{module.path}:1: {len(module.code_lines)} code lines, more than {FILE_LINES}."
        for module in modules
        if len(module.code_lines) > FILE_LINES
    ]


def arguments_are_few(modules: Modules) -> list[str]:
    found = []
    for module in modules:
        for node, owner in module.functions:
            if is_command(node):
                continue
            estimator = module.layer == "estimators" and owner is not None and node.name == "__init__"
            most = ESTIMATOR_ARGUMENTS if estimator else ARGUMENTS
            count = sum(map(len, arguments(node, owner))) + (node.args.vararg is not None)
            if count > most:
                found.append(module.at(node, f"{node.name} has {count} arguments, more than {most}."))
    return found


def keywords_are_named(modules: Modules) -> list[str]:
    return [
        module.at(node, f"{node.name} is public and takes **{node.args.kwarg.arg}; name the keywords.")
        for module in modules
        for node, _ in module.public_functions
        if node.args.kwarg
    ]


def the_third_argument_is_a_keyword(modules: Modules) -> list[str]:
    """What a folder exports takes two plain arguments; elsewhere a third one is plain only if it must be given.

    A method's arguments come from the loop in the order of its abstract method, a helper's from its neighbours: there
    the danger is not the order but a flag that is passed unnamed.
    """
    shown = {
        (folder.origin(node), alias.name)
        for folder in modules
        if folder.is_folder
        for node in folder.tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in (folder.exported or ())
    }
    found = []
    for module in modules:
        for node, owner in module.public_functions:
            plain, _ = arguments(node, owner)
            exported = owner is None and (module.name, node.name) in shown - THREE_ARE_PLAIN
            optional = plain[max(2, len(plain) - len(node.args.defaults)) :]
            if wrong := plain[2:] if exported else optional:
                found.append(module.at(node, f"{node.name}: {', '.join(wrong)} must be keyword-only."))
    return found


def classes_are_abstract_or_final(modules: Modules) -> list[str]:
    plain = {"ABC", "Protocol", "NamedTuple", "TypedDict", "Enum", "IntEnum", "StrEnum", "Flag"}

    def is_settled(found: Class) -> bool:
        declared = {base.split(".")[-1] for base in found.bases} & plain
        abstract = any("abstractmethod" in decorators(node) for node in found.node.body if is_function(node))
        error = any(base.endswith(("Error", "Exception", "Warning")) for base in found.all_bases)
        return bool(declared) or abstract or error or "final" in decorators(found.node)

    return [
        found.module.at(found.node, f"{found.node.name} is neither abstract nor @final.")
        for found in classes(modules)
        if not is_settled(found)
    ]


def nothing_implemented_is_overridden(modules: Modules) -> list[str]:
    return [
        found.module.at(node, f"{found.node.name}.{name} overrides {ancestor.node.name}.{name}, which is implemented.")
        for found in classes(modules)
        for name, node in found.methods.items()
        for ancestor in found.ancestors
        if ancestor.implements(name)
    ]


def nothing_is_looked_up_by_name(modules: Modules) -> list[str]:
    return [
        module.at(node, f"{name}: pass the object, not its name.")
        for module in modules
        for node, name in module.calls()
        if name in LOOK_UPS
    ]


def there_is_one_loop(modules: Modules) -> list[str]:
    """Epochs are looped over in one place, which is also the only one to ask a stepper for a step."""
    readers = {"report", "diagnostics"}  # They draw the history, which has epochs too.
    loops = [
        (module, node)
        for module in modules
        if module.layer not in readers
        for node in module.walk(ast.For, ast.While)
        if any("epoch" in name for name in header(node))
    ]
    steps = [
        (module, node)
        for module in modules
        if module.layer != "optim"
        for node, name in module.calls()
        if name.endswith(".step")
    ]
    homes = {module.path for module, _ in loops} | {module.path for module, _ in steps}
    if len(loops) == 1 and len(homes) == 1:
        return []
    told = [module.at(node, "a loop over epochs.") for module, node in loops]
    told += [module.at(node, "a step of training.") for module, node in steps]
    return told or ["src/layerwise: no loop over epochs was found."]


def gradients_are_made_in_optim(modules: Modules) -> list[str]:
    def is_gradient(name: str) -> bool:
        return name.endswith(".backward") or name in {"torch.autograd.grad", "torch.autograd.backward"}

    return [
        module.at(node, f"{name}: gradients are made by a Problem, in layerwise.optim.")
        for module in modules
        if module.layer != "optim"
        for node, name in module.calls()
        if is_gradient(name)
    ]


def nothing_is_pickled(modules: Modules) -> list[str]:
    found = []
    for module in modules:
        for node in module.walk(ast.Import, ast.ImportFrom):
            wrong = [name for name in module.imported(node) if any(is_within(name, pickle) for pickle in PICKLES)]
            found += [module.at(node, f"{name} can run code from a file.") for name in wrong]
        for node, name in module.calls():
            allowed = [word.value for word in node.keywords if word.arg in {"allow_pickle", "weights_only"}]
            pickled = any(not isinstance(value, ast.Constant) or value.value is True for value in allowed)
            if name in {"torch.load", "torch.save"} or name.endswith((".read_pickle", ".to_pickle")) or pickled:
                found.append(module.at(node, f"{name} reads or writes a pickle."))
    return found


def randomness_is_given(modules: Modules) -> list[str]:
    """No global generator or default is set, and none is drawn from."""

    def is_global(node: ast.Call, name: str) -> bool:
        home, _, last = name.rpartition(".")
        named = {word.arg for word in node.keywords}
        drawn = (
            (home == "torch" and last in DRAWS | DRAWS_LIKE)
            or (home == "torch.nn.init" and last in INITIALIZERS | {"xavier_uniform_"})
            or last in DRAWS_IN_PLACE
        )
        legacy = home in {"numpy.random", "random"} and last not in OWN_STATE
        return name in GLOBAL_SWITCHES or legacy or (drawn and "generator" not in named)

    return [
        module.at(node, f"{name} uses a global generator or default; take a generator.")
        for module in modules
        for node, name in module.calls()
        if is_global(node, name)
    ]


def the_library_never_prints(modules: Modules) -> list[str]:
    return [
        module.at(node, f"{name}: the library logs, and the command line writes.")
        for module in modules
        for node, name in module.calls()
        if name in PRINTS or (module.layer != "cli" and name in WRITES)
    ]


def imports_are_explicit(modules: Modules) -> list[str]:
    return [
        module.at(node, "name what is imported.")
        for module in modules
        for node in module.walk(ast.ImportFrom)
        if any(alias.name == "*" for alias in node.names)
    ]


def extras_are_imported_where_used(modules: Modules) -> list[str]:
    return [
        module.at(node, f"{late} is an extra, or slow; import it in the function that needs it.")
        for module in modules
        for node in module.top_level
        for late in sorted(LATE - EXTRAS_AT_HOME.get(module.layer, set()))
        if any(is_within(name, late) for name in module.imported(node))
    ]


def every_module_says_what_is_public(modules: Modules) -> list[str]:
    return [
        f"src/{module.path}:1: there is no __all__."
        for module in modules
        if module.exported is None and not module.name.rpartition(".")[2].startswith("_")
    ]


def what_is_public_is_documented(modules: Modules) -> list[str]:
    return [
        module.at(node, f"{node.name} is in __all__ and has no docstring.")
        for module in modules
        for node in module.tree.body
        if is_function(node) or isinstance(node, ast.ClassDef)
        if node.name in (module.exported or ()) and not documented(node)
    ]


def nothing_is_left_to_do(modules: Modules) -> list[str]:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X")
    return [
        f"src/{module.path}:{number}: {mark}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        for mark in marks
        if mark in line
    ]


def annotations_stay_objects(modules: Modules) -> list[str]:
    """The runtime check of shapes reads the annotations; postponed ones are strings, which it passes over."""
    return [
        module.at(node, "postponed annotations switch off the check of shapes.")
        for module in modules
        for node in module.walk(ast.ImportFrom)
        if node.module == "__future__" and any(alias.name == "annotations" for alias in node.names)
    ]


def little_is_repeated(modules: Modules) -> list[str]:
    """Identical runs of six code lines, imports left out, stay a small share of all code lines."""
    places: dict[tuple[str, ...], list[tuple[Module, tuple[int, ...]]]] = {}
    total = 0
    for module in modules:
        imports = {
            line for node in module.walk(ast.Import, ast.ImportFrom) for line in range(node.lineno, node.end_lineno + 1)
        }
        lines = [line for line in module.code_lines if line not in imports]
        texts = [text.strip() for text in module.text.splitlines()]
        total += len(lines)
        for start in range(len(lines) - REPEATED_LINES + 1):
            run = tuple(lines[start : start + REPEATED_LINES])
            places.setdefault(tuple(texts[line - 1] for line in run), []).append((module, run))
    repeated = [place for found in places.values() if len(found) > 1 for place in found]
    lines_repeated = {(module.path, line) for module, run in repeated for line in run}
    if len(lines_repeated) <= REPEATED_SHARE * total:
        return []
    return [f"src/{path}:{line}: repeated elsewhere." for path, line in sorted(lines_repeated)]


def is_command(node: ast.AST) -> bool:
    """A verb of the command line: its arguments are the options, and nobody calls it from Python."""
    return "command" in decorators(node)


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def is_within(name: str, parent: str) -> bool:
    return name == parent or name.startswith(parent + ".")


def header(node: ast.For | ast.While) -> set[str]:
    return names(node.target, node.iter) if isinstance(node, ast.For) else names(node.test)


@dataclass(frozen=True)
class Rule:
    """A rule, pieces of code that break it and pieces that keep it."""

    check: Callable[[Modules], list[str]]
    broken: tuple[dict[str, str] | str, ...]
    kept: tuple[dict[str, str] | str, ...]


def body(lines: int, *, opening: str = "def f():") -> str:
    """A function of so many code lines, with a docstring, a comment and a blank that do not count."""
    return "\n".join([opening, '    """Two', '    lines."""', "    # why", "", *["    x = 1"] * (lines - 1)])


LOOP = "for epoch in range(epochs):\n    stepper.step(problem)"
PARENT = "class A(ABC):\n    def go(self): return 1\n    @abstractmethod\n    def stay(self): ...\n"

RULES = (
    Rule(
        arrows_point_down,
        broken=(
            "from layerwise.training import fit",
            "def f():\n    import layerwise.optim.base",
            {"data/a.py": "from layerwise.corruptions import Masking"},
            {"diagnostics/a.py": "from layerwise.training import fit"},
            {"storage.py": "from layerwise.estimators import DeepAutoencoder"},
            {"models/a.py": "from ..training import fit"},
            {"models/a.py": "from .. import training"},
            {"report/a.py": "from layerwise import fit"},
            {"cli.py": "from layerwise.training import fit"},
            {"surprise/a.py": "import layerwise.errors"},
        ),
        kept=(
            "from layerwise.models.base import Pass\nfrom layerwise.data import Rows\nimport torch",
            {"models/dense.py": "from .base import Pass"},
            {"models/__init__.py": "from .base import Pass"},
            {"__init__.py": "from layerwise.training import fit"},
            {"commands.py": "from layerwise import __version__\nfrom layerwise.report import write_report"},
        ),
    ),
    Rule(
        functions_are_short,
        broken=(body(46), body(46, opening="async def f():"), body(47, opening="@app.command()\ndef f():")),
        kept=(body(45), body(46, opening="@app.command()\ndef f():")),
    ),
    Rule(files_are_short, broken=("x = 1\n" * 301,), kept=("x = 1\n# why\n\n" * 300,)),
    Rule(
        arguments_are_few,
        broken=(
            "def f(a, b, c, d, e, *, f, g, h, i): pass",
            "def f(a, b, c, d, e, f, g, h, *rest): pass",
            "class A:\n    def __init__(self, a, b, c, d, e, f, g, h, i): pass",
            {"estimators/a.py": f"class A:\n    def __init__(self, {', '.join(f'a{i}' for i in range(21))}): pass"},
        ),
        kept=(
            "class A:\n    def f(self, a, b, c, d, *, e, f, g, h): pass",
            {"estimators/a.py": f"class A:\n    def __init__(self, {', '.join(f'a{i}' for i in range(20))}): pass"},
            {"cli.py": "@app.command()\ndef f(a, b, c, d, e, f, g, h, i): pass"},
        ),
    ),
    Rule(
        keywords_are_named,
        broken=("def f(**options): pass", "class A:\n    def __init__(self, **options): pass"),
        kept=("def _f(**options): pass", "class _A:\n    def f(self, **options): pass", "def f(*, a, b=1): pass"),
    ),
    Rule(
        the_third_argument_is_a_keyword,
        broken=(
            {"models/__init__.py": "from .a import f\n__all__ = ['f']", "models/a.py": "def f(a, b, c): pass"},
            "def f(a, b, c=1): pass",
            "class A:\n    def f(self, a, b, c=1): pass",
        ),
        kept=(
            {"models/__init__.py": "from .a import f\n__all__ = ['f']", "models/a.py": "def f(a, b, *, c): pass"},
            {"models/a.py": "def f(a, b, c): pass"},
            "class A:\n    def f(self, a, b, c, *, d=1): pass\n    def _g(self, a, b, c=1): pass",
            "def f(a=1, b=2): pass",
        ),
    ),
    Rule(
        classes_are_abstract_or_final,
        broken=("class A: pass", "class A(ABC): pass\nclass B(A): pass", "import m\nclass A(m.Module): pass"),
        kept=(
            "@final\n@dataclass(frozen=True)\nclass A: pass",
            "import typing\n@typing.final\nclass A: pass",
            "class A(m.Module, ABC): pass",
            "class A(Protocol): pass",
            "class A(B):\n    @property\n    @abstractmethod\n    def f(self): ...",
            "class A(Exception): pass\nclass B(A): pass",
            "class A(NamedTuple): pass",
        ),
    ),
    Rule(
        nothing_implemented_is_overridden,
        broken=(
            PARENT + "class B(A):\n    def go(self): return 2",
            PARENT + "class B(A): pass\nclass C(B):\n    def go(self): return 2",
            PARENT + "class B(A):\n    go = other",
            {
                "models/base.py": PARENT,
                "models/__init__.py": "from layerwise.models.base import A",
                "training/b.py": "from layerwise import models\nclass B(models.A):\n    def go(self): return 2",
            },
            {
                "models/base.py": PARENT,
                "models/__init__.py": "from .base import A as Base",
                "training/b.py": "from layerwise.models import Base\nclass B(Base[int]):\n    def go(self): return 2",
            },
        ),
        kept=(
            PARENT + "class B(A):\n    def stay(self): return 2\n    def __init__(self): pass",
            "class A(Protocol):\n    def go(self):\n        'What it does.'\nclass B(A):\n    def go(self): return 1",
            "from torch.nn import Module\nclass B(Module):\n    def forward(self, x): return x",
            PARENT + "class B:\n    def go(self): return 2",
        ),
    ),
    Rule(
        nothing_is_looked_up_by_name,
        broken=("hasattr(x, 'a')", "getattr(x, 'a', None)", "getattr(x, name)", "globals()['A']()"),
        kept=("x.a", "x.getattr('a')", "def __getattr__(name): raise AttributeError"),
    ),
    Rule(
        there_is_one_loop,
        broken=(
            "x = 1",
            {"training/loop.py": LOOP, "models/rbm.py": "while model.epochs_done < 3:\n    pass"},
            {"training/loop.py": f"{LOOP}\n{LOOP}"},
            {"training/loop.py": LOOP, "estimators/a.py": "self.stepper.step(problem)"},
        ),
        kept=(
            {"training/loop.py": LOOP, "optim/a.py": "optimizer.step()", "report/a.py": "for epoch in history: pass"},
            {"training/loop.py": LOOP, "data/a.py": "for row in rows: pass"},
        ),
    ),
    Rule(
        gradients_are_made_in_optim,
        broken=(
            "loss.backward()",
            "f(x).backward()",
            "import torch\ntorch.autograd.grad(y, x)",
            "from torch.autograd import grad\ngrad(y, x)",
            "from torch import autograd as a\na.grad(y, x)",
        ),
        kept=({"optim/base.py": "import torch\ntorch.autograd.grad(y, x)"}, "grad(y, x)"),
    ),
    Rule(
        nothing_is_pickled,
        broken=(
            "import pickle",
            "from joblib import dump",
            "def f():\n    import pickle as p",
            "import torch\ntorch.load(path, weights_only=True)",
            "from torch import save\nsave(x, path)",
            "np.load(path, allow_pickle=True)",
            "np.load(path, allow_pickle=allowed)",
            "import torch.distributed.checkpoint as dcp",
            "pandas.read_pickle(path)",
        ),
        kept=(
            "import numpy as np\nnp.load(path, allow_pickle=False)",
            "import safetensors.torch\nsafetensors.torch.load(x)",
        ),
    ),
    Rule(
        randomness_is_given,
        broken=(
            "import torch\ntorch.manual_seed(0)",
            "from torch import manual_seed\nmanual_seed(0)",
            "import numpy as np\nnp.random.seed(0)",
            "import numpy as np\nnp.random.rand(3)",
            "import random\nrandom.seed(0)",
            "from random import shuffle\nshuffle(x)",
            "import torch\ntorch.randperm(3)",
            "import torch\ntorch.rand_like(x)",
            "weight.normal_(0, 1)",
            "from torch import nn\nnn.init.orthogonal_(weight)",
            "from torch import nn\nnn.Dropout(0.5)",
            "import torch\ntorch.set_default_dtype(torch.float64)",
        ),
        kept=(
            "import torch\ntorch.Generator('cpu').manual_seed(0)",
            "import torch\ntorch.randperm(3, generator=g)",
            "import numpy as np\nnp.random.default_rng(0).normal()",
            "from torch import nn\nnn.init.orthogonal_(weight, generator=g)\nnn.init.zeros_(bias)",
        ),
    ),
    Rule(
        the_library_never_prints,
        broken=(
            "print(x)",
            "import sys\nsys.stderr.write(x)",
            "import typer\ntyper.echo(x)",
            "from rich import print\nprint(x)",
        ),
        kept=("console.print(x)", "logger.info(x)", {"cli.py": "import sys\nsys.stdout.write(x)"}),
    ),
    Rule(
        imports_are_explicit, broken=("from layerwise.models import *",), kept=("from layerwise.models import Dense",)
    ),
    Rule(
        extras_are_imported_where_used,
        broken=(
            "import pandas as pd",
            "from PIL import Image",
            "from sklearn.datasets import load_digits",
            "from sklearn import datasets",
            "import matplotlib.pyplot as plt",
            "class A:\n    import polars",
            "try:\n    import onnx\nexcept ImportError:\n    pass",
            {"report/a.py": "import pandas"},
        ),
        kept=(
            "def f():\n    import pandas",
            "if TYPE_CHECKING:\n    import polars",
            "from sklearn import base",
            {"report/a.py": "import matplotlib"},
        ),
    ),
    Rule(
        every_module_says_what_is_public,
        broken=("x = 1",),
        kept=("__all__ = []", {"models/_inner.py": "x = 1"}),
    ),
    Rule(
        what_is_public_is_documented,
        broken=("__all__ = ['f']\ndef f(): pass", "__all__ = ['A']\nclass A: pass"),
        kept=("__all__ = ['f']\ndef f():\n    'What it does.'\ndef g(): pass",),
    ),
    Rule(nothing_is_left_to_do, broken=("x = 1  # TO" + "DO: more",), kept=("x = 1",)),
    Rule(annotations_stay_objects, broken=("from __future__ import annotations",), kept=("import abc",)),
    Rule(
        little_is_repeated,
        broken=(
            {
                "models/a.py": "".join(f"x = {i}\n" for i in range(6)),
                "models/b.py": "".join(f"x = {i}\n" for i in range(6)),
            },
        ),
        kept=(
            "".join(f"x = {i}\n" for i in range(40)),
            {"models/a.py": "import a\n" * 6, "models/b.py": "import a\n" * 6},
        ),
    ),
)

BROKEN = [
    pytest.param(rule, code, id=f"{rule.check.__name__}-{i}") for rule in RULES for i, code in enumerate(rule.broken)
]
KEPT = [pytest.param(rule, code, id=f"{rule.check.__name__}-{i}") for rule in RULES for i, code in enumerate(rule.kept)]


@pytest.mark.parametrize("rule", RULES, ids=[rule.check.__name__ for rule in RULES])
def test_the_package_keeps_the_rule(rule: Rule) -> None:
    assert len(package()) > 30, "the package was not found"
    found = rule.check(package())
    assert not found, "\n".join([rule.check.__name__, *found])


@pytest.mark.parametrize(("rule", "code"), BROKEN)
def test_the_rule_sees_what_breaks_it(rule: Rule, code: dict[str, str] | str) -> None:
    assert rule.check(sample(code))


@pytest.mark.parametrize(("rule", "code"), KEPT)
def test_the_rule_lets_through_what_keeps_it(rule: Rule, code: dict[str, str] | str) -> None:
    assert rule.check(sample(code)) == []


def test_the_arrows_have_no_circle() -> None:
    """A table that allowed a way up and one down would allow everything."""
    settled: set[str] = set()
    while ready := {layer for layer, below in ARROWS.items() if layer not in settled and below <= settled}:
        settled |= ready
    assert settled == set(ARROWS)


def blocked(modules: set[str], code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in an interpreter in which some modules are not installed."""
    finder = inspect.cleandoc(
        f"""
        import sys
        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in {modules!r}:
                    raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        sys.meta_path.insert(0, Blocked())
        """
    )
    script = f"{finder}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_module_is_imported_without_the_extras() -> None:
    extras = {name for name in LATE if "." not in name}
    wanted = [module.name for module in package()]
    done = blocked(extras, f"import importlib\nfor name in {wanted!r}: importlib.import_module(name)")
    assert done.returncode == 0, done.stderr


def test_the_command_line_starts_without_what_is_slow() -> None:
    slow = {"torch", "numpy", "scipy", "sklearn", "pyarrow", "pydantic"}
    done = blocked(slow, "import layerwise, layerwise.cli")
    assert done.returncode == 0, done.stderr


def test_blocked_modules_are_not_found() -> None:
    done = blocked({"torch"}, "import torch")
    assert "No module named 'torch'" in done.stderr
