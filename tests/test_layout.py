"""What the README and the layout promise: imports that point one way, commands that
exist, public names that can be imported."""

import ast
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

import translator
from translator.cli.main import app

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "translator"
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "data" / "README.md",
    *(ROOT / "docs").glob("*.md"),
]
FILES = sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))
# Its public names are loaded at their first use, from anywhere.
FILES.remove("translator/__init__.py")
# Loading any of these makes `--help` wait.
HEAVY = {"gradio", "keras", "matplotlib", "numpy", "sacrebleu", "tensorflow"}


def module_order() -> dict[str, int]:
    """Part of the package -> its place in the README's table."""
    text = DOCUMENTS[0].read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", text, flags=re.MULTILINE)
    parts = [part for row in rows for part in re.findall(r"`(.+?)`", row)]
    assert len(parts) == len(set(parts))
    return {part.rstrip("/"): place for place, part in enumerate(parts)}


def part_of(module: str, order: dict[str, int]) -> str:
    """The README's name for `translator.corpus.readers`: `corpus`."""
    names = module.split(".")[1:]
    whole = "/".join(names)
    return whole if whole in order else names[0]


def module_name(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imports_of(file: str) -> set[str]:
    """All modules a file imports, wherever in it; `from a import b` gives a and a.b."""
    modules = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: write imports in full"
            modules.add(node.module)
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def packages_of(file: str) -> set[str]:
    return {module.split(".")[0] for module in imports_of(file)}


def test_editors_know_the_public_names():
    """Catches: a name that is not in the stub, or from elsewhere."""
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    homes = {alias.asname: node.module for node in imports for alias in node.names}
    assert homes == translator._HOMES
    assert (PACKAGE / "py.typed").exists()


def test_the_readme_names_every_part():
    """Catches: a new module that nobody finds a place for; a row of a deleted one."""
    order = module_order()
    parts = {part_of(module_name(file), order) for file in FILES} | {"serve.py"}
    # `layers` itself is only its parts.
    assert parts - {"__main__", "layers"} == set(order)


@pytest.mark.parametrize("file", FILES)
def test_imports_point_one_way(file):
    """Catches: an arrow upwards, such as `search` importing `model`."""
    order = module_order()
    own = part_of(module_name(file), order)
    for module in imports_of(file):
        name = part_of(module, order) if module.startswith("translator.") else own
        if name not in order:  # a name out of a package, not a module
            continue
        before = order.get(own, len(order))
        assert name == own or order[name] < before, f"{file} imports {module}"


@pytest.mark.parametrize("file", FILES)
def test_heavy_packages_have_one_home(file):
    """Catches: Gradio or pyplot dragged in by the library."""
    packages = packages_of(file)
    assert "gradio" not in packages or file.startswith("translator/web/")
    assert "matplotlib" not in packages or file in (
        "translator/plotting.py",
        "translator/web/ui.py",  # the type of what `plotting` returns
    )
    assert "matplotlib.pyplot" not in imports_of(file)


@pytest.mark.parametrize("file", FILES)
def test_text_goes_out_by_logging_or_the_console(file):
    """Catches: a `print` left from a search for a mistake."""
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        assert not (is_call and node.func.id == "print"), f"{file}:{node.lineno}"


def test_files_name_no_machine():
    """Catches: a path of somebody's home folder in what is committed."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    texts = (".py", ".md", ".toml", ".ipynb", ".json", ".cff", ".css", "run")
    for file in listed.stdout.splitlines():
        if file.endswith(texts) and (ROOT / file).exists():
            found = re.search(r"/(home|Users|root)/\w+", (ROOT / file).read_text())
            assert not found, f"{file}: {found[0]}"


def loaded_after(code: str) -> set[str]:
    """Packages a new process has loaded after `code`; it must not print anything."""
    code += "; import sys; sys.exit(' '.join(m for m in sys.modules if '.' not in m))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert not result.stdout
    assert "Traceback" not in result.stderr, result.stderr
    return set(result.stderr.split())


@pytest.mark.parametrize(
    ("code", "light"),
    [
        ("import translator", HEAVY | {"pydantic", "typer"}),
        ("import translator.text, translator.startup", HEAVY | {"pydantic"}),
        ("import translator.cli.main", HEAVY | {"babel", "httpx"}),
        ("import serve", HEAVY),
        ("import translator.corpus", {"gradio", "keras", "tensorflow", "matplotlib"}),
    ],
    ids=["package", "text", "commands", "serve", "corpus"],
)
def test_imports_start_nothing(code, light):
    """Catches: seconds of TensorFlow before the first line of `--help`."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"
    loaded = loaded_after(code)
    assert "translator" in loaded
    assert not loaded & light


def test_public_names():
    """Catches: a name in `__all__` that is renamed where it is defined."""
    assert len(translator.__all__) == len(set(translator.__all__))
    assert dir(translator) == sorted(translator.__all__)
    for name in translator.__all__:
        value = getattr(translator, name)
        if name != "__version__":
            assert value.__name__ == name
            assert value.__module__.startswith("translator.")
            assert value.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'Translater'"):
        translator.Translater  # noqa: B018


def test_one_version():
    """Catches: a release whose files say different things."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert translator.__version__ == project["version"]
    assert f"\nversion: {translator.__version__}\n" in (
        ROOT / "CITATION.cff"
    ).read_text("utf-8")


def documented_commands() -> list[list[str]]:
    """Commands of ours in the documents' ```sh blocks, each as a list of words."""
    commands = []
    for path in DOCUMENTS:
        blocks = re.findall(r"```sh\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
        lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
        for line in lines:
            for command in re.split(r" && | \| ", line):
                words = shlex.split(command, comments=True)
                if words[:2] == ["uv", "run"]:
                    words = words[2:]
                if words and words[0] in ("translator", "serve.py"):
                    commands.append(words)
    return commands


def parse(command: TyperGroup | TyperCommand, arguments: list[str]) -> None:
    """Parses as the command line does, and runs nothing."""
    if isinstance(command, TyperGroup):
        name, *arguments = arguments
        assert name in command.commands, name
        parse(command.commands[name], arguments)
    else:
        command.make_context(command.name, arguments)


def test_documented_commands_exist():
    """Catches: an option or a command that was renamed, or never was."""
    import serve

    serve_app = typer.Typer()
    serve_app.command()(serve.main)
    programs = {"translator": app, "serve.py": serve_app}
    commands = documented_commands()
    used = {" ".join(words[:2]) for words in commands}
    assert {f"translator {name}" for name in typer.main.get_command(app).commands} <= (
        used
    )
    for program, *arguments in commands:
        parse(typer.main.get_command(programs[program]), arguments)


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path):
    """Catches: an example with a name, an argument or a key that does not exist."""
    if not (ROOT / "data" / "models" / "en-es" / "config.json").exists():
        pytest.skip("no model in data/models/en-es")
    pytest.importorskip("tensorflow_text")
    (tmp_path / "data").symlink_to(ROOT / "data")
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENTS[0].read_text(), re.DOTALL)
    export = ["-m", "translator", "export", "data/models/en-es", "exports"]
    assert len(blocks) == 2
    for arguments in (export, *(["-c", block] for block in blocks)):
        result = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        assert arguments is export or result.stdout


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_documents_point_to_files_that_exist(path):
    """Catches: a broken link, a picture that was not committed."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.M)
    for target in re.findall(r"\]\((?!https?:|#)(.+?)\)", text):
        assert (path.parent / target).exists(), target
