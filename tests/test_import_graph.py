"""The import graph keeps the rooms of the house apart."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jax_dns"
BOXES = ("generative", "discriminative", "inlier", "smoothing")  # of the paper's Fig. 2
ABOVE_THE_BOXES = ("pipeline", "commands", "report", "components")
SMOOTHING_NEEDS = {"jax_dns.smoothing", "jax_dns.types", "jax_dns.errors", "jax_dns.memory"}
CONFIG_ROOMS = ("pipeline/", "report/", "commands/", "components.py", "config.py")
TESTS_ON_PATH = {path.stem for path in (ROOT / "tests").iterdir()}  # modules that tests/ offers


def source_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(tree: ast.AST, package: str = "") -> Iterator[str]:
    """Yields every dotted name that an import statement anywhere in a file could bind.

    `from a import b` yields both a and a.b, whichever of them is a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> set[str]:
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return set(imported_names(ast.parse(path.read_text()), package))


def is_inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def toplevel_graph() -> dict[str, set[str]]:
    """Modules of the package -> the modules of the package that they import when they load.

    `from package import module` needs the module; that it loads the package too closes no circle.
    """
    paths = {module_name(path): path for path in source_files("jax_dns")}
    graph = {}
    for name, path in paths.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        needed: set[str] = set()
        for node in ast.parse(path.read_text()).body:  # imports inside functions close no circle
            if isinstance(node, ast.ImportFrom):
                base, *members = imported_names(ast.Module(body=[node]), package)
                needed |= {member for member in members if member in paths}
                if not paths.keys() >= set(members):
                    needed |= {base} & paths.keys()
            elif isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names} & paths.keys()
        graph[name] = needed - {name}
    return graph


@pytest.mark.parametrize("box", BOXES)
def test_a_box_imports_nothing_above_it(box):
    for path in source_files(f"jax_dns/{box}"):
        for name in imports_of(path):
            assert not any(is_inside(name, f"jax_dns.{room}") for room in ABOVE_THE_BOXES), path


def test_smoothing_stands_alone():
    for path in source_files("jax_dns/smoothing"):
        ours = {name for name in imports_of(path) if is_inside(name, "jax_dns")} - {"jax_dns"}
        outside = {n for n in ours if not any(is_inside(n, allowed) for allowed in SMOOTHING_NEEDS)}
        assert not outside, path


def test_modules_import_each_other_in_no_circle():
    graph = toplevel_graph()
    importing: list[str] = []
    finished: set[str] = set()

    def visit(module: str) -> None:
        assert module not in importing, " -> ".join([*importing, module])
        if module not in finished:
            importing.append(module)
            for imported in graph[module]:
                visit(imported)
            importing.pop()
            finished.add(module)

    for module in graph:
        visit(module)
    assert len(finished) > 50


def test_experiments_import_nothing_from_tests():
    modules = TESTS_ON_PATH | {"tests"}
    experiments = {path.stem for path in source_files("experiments")}
    folders = {path.name for path in (ROOT / "experiments").iterdir() if path.is_dir()}
    modules -= experiments | folders | {"jax_dns"}
    for path in source_files("experiments"):
        assert not {name.partition(".")[0] for name in imports_of(path)} & modules, path
        assert '"tests"' not in path.read_text(), path  # on sys.path


def test_base_names_are_unique():
    names = Counter(path.name for path in source_files("jax_dns"))
    repeated = {n for n, count in names.items() if count > 1} - {"__init__.py", "__main__.py"}
    assert not repeated


def test_orbax_is_imported_in_one_file():
    users = [
        path.relative_to(ROOT).as_posix()
        for path in source_files("jax_dns")
        if any(is_inside(name, "orbax") for name in imports_of(path))
    ]
    assert users == ["jax_dns/training/checkpoints.py"]


def test_only_the_upper_rooms_know_config_dicts():
    for path in source_files("jax_dns"):
        if any(is_inside(name, "ml_collections") for name in imports_of(path)):
            assert path.relative_to(PACKAGE).as_posix().startswith(CONFIG_ROOMS), path
