"""Command-line options made from the fields of `translator.config`.

The field is the one place where an option's name, type, bounds, default and meaning
are written; here it becomes `--its-name`.
"""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from translator.config import Config

# Of the commands that translate.
EnsembleOption = Annotated[
    list[Path] | None,
    typer.Option(
        help="Further run folder, to translate together with the first. May be given "
        "several times.",
        metavar="<path>",
    ),
]


def config_options(
    *sections: str, are_of_run: bool = False
) -> Callable[[Callable], Callable]:
    """Gives a command the options of some sections of `Config`.

    The command gets those that were typed as its argument `options`, a dictionary of
    field name to value, ready for `make_config`; it never sees a default.

    Args:
        sections: Names of fields of `Config`, such as `search`.
        are_of_run: Whether the values that are not typed come from a run folder; the
            help then names no defaults.

    Example:
        >>> @config_options("search")
        ... def command(options):
        ...     return options
        >>> command(beam_size=3, length_penalty=None)
        {'beam_size': 3}
    """
    parameters = {
        name: _parameter(name, field, section, are_of_run)
        for section in sections
        for name, field in _fields(section).items()
    }

    def decorate(command: Callable) -> Callable:
        @functools.wraps(command)
        def wrapper(*args, **kwargs):
            options = {name: kwargs.pop(name, None) for name in parameters}
            typed = {
                name: value
                for name, value in options.items()
                if value is not None and value != []
            }
            return command(*args, options=typed, **kwargs)

        own = [
            parameter
            for name, parameter in inspect.signature(command).parameters.items()
            if name != "options"
        ]
        wrapper.__signature__ = inspect.Signature([*own, *parameters.values()])
        wrapper.__annotations__ = {
            parameter.name: parameter.annotation
            for parameter in wrapper.__signature__.parameters.values()
        }
        return wrapper

    return decorate


def _fields(section: str) -> dict[str, FieldInfo]:
    model: type[BaseModel] = Config.model_fields[section].annotation
    return model.model_fields


def _parameter(
    name: str, field: FieldInfo, section: str, is_of_run: bool
) -> inspect.Parameter:
    """Turns a field into a keyword parameter that typer reads as an option."""
    flag = "--" + name.replace("_", "-")
    is_switch = field.annotation is bool
    panel = f"{section.capitalize()} options"
    default_text = "" if is_of_run else _default_text(field)
    notes = (_choices_text(field), default_text, _bounds_text(field))
    option = typer.Option(
        f"{flag}/--no-{flag[2:]}" if is_switch else flag,
        help=" ".join(filter(None, (field.description, *notes))),
        show_default=False,
        metavar=_metavar(field.annotation),
        rich_help_panel=f"{panel} (default: the run's)" if is_of_run else panel,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_typer_type(field.annotation), option],
    )


def _typer_type(annotation: Any) -> Any:
    """Returns what typer should parse, for a value that may be left out."""
    return (list[str] if get_origin(annotation) is tuple else annotation) | None


def _metavar(annotation: Any) -> str:
    """Returns what stands for the value in the help; nothing for a switch.

    Short: the longest one makes the column, at the cost of the names and the text.
    """
    if annotation is bool:
        return ""
    if get_origin(annotation) is Literal:
        return "<name>"
    return f"<{(get_args(annotation) or (annotation,))[0].__name__}>"


def _choices_text(field: FieldInfo) -> str:
    if get_origin(field.annotation) is not Literal:
        return ""
    return f"[one of: {', '.join(get_args(field.annotation))}]"


def _default_text(field: FieldInfo) -> str:
    default = field.default
    if default in ((), "", PydanticUndefined):
        return ""
    if isinstance(default, bool):
        default = "on" if default else "off"
    return f"[default: {default}]"


def _bounds_text(field: FieldInfo) -> str:
    """Describes the bounds that the field checks, such as `>= 1`."""
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(bound, name)}"
        for bound in field.metadata
        for name, sign in signs.items()
        if getattr(bound, name, None) is not None
    ]
    return f"[{', '.join(bounds)}]" if bounds else ""
