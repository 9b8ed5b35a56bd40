"""What all benchmarks share: the header, rounds, medians, tables. No framework here.

A figure is a median over rounds in which the programs that are compared take turns, so
that a slow minute of the machine is a slow minute for all of them. The share of the
limit is the speed of a program in floating-point operations over that of one large
matrix product (`benchmarks.products`), measured in the same rounds. Counted are the
operations of the matrix products which the equations need, for real tokens
(`benchmarks.costs`): padding, activations and all other work are overhead.
"""

import datetime
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("translator", "tensorflow", "keras", "torch", "ctranslate2", "onnxruntime")
# Threads of a framework that wait for work by spinning have given up after this.
PAUSE_SECONDS = 0.02
# Cores that other programs may use on a machine that counts as idle.
_IDLE_CORES = 0.1


def print_header(title: str, **sizes: object) -> None:
    """Prints what a figure means nothing without: when, where, which versions, sizes.

    Args:
        title: What is measured.
        sizes: Threads, batch size and the like, with the names they are printed by.
    """
    print(title)
    print(f"{datetime.date.today()}, {describe_machine()}")
    versions = package_versions() | {"Python": platform.python_version()}
    print(", ".join(f"{name} {number}" for name, number in versions.items()))
    print(", ".join(f"{name.replace('_', ' ')} {size}" for name, size in sizes.items()))
    print(flush=True)


def describe_machine() -> str:
    """Processor, cores this process may use, memory, system, and how busy it is."""
    processor = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.split(":", 1)[1].strip()
                break
    cores = num_cores()
    parts = [f"{cores} core{'s' if cores > 1 else ''} of {processor}"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        parts.append(f"{memory / 2**30:.0f} GiB")
    parts.append(f"{platform.system()} {platform.machine()}")
    if hasattr(os, "getloadavg"):
        parts.append(f"load before the start {os.getloadavg()[0]:.1f}")
    return ", ".join(parts)


def num_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Name -> version of those packages that are installed."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def missing_peer(name: str, remedy: str) -> None:
    """Says that a peer is left out and how to have it."""
    print(f"{name} is not installed and is left out. {remedy}\n", flush=True)


def warn_of_others(answers: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Says how busy other programs kept the machine during the workers' turns.

    Threads that wait for each other by spinning, as PyTorch's do, lose far more than
    their share of a busy machine, so ratios of such a run are not to be kept.
    """
    busy = statistics.median(
        turn["others_cores"] for turns in answers.values() for turn in turns
    )
    if busy > _IDLE_CORES:
        print(f"NOT IDLE: other programs used {busy:.1f} cores. Measure again.")


def time_calls(
    calls: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    repetitions: int = 10,
) -> dict[str, float]:
    """Times calls that take turns in this process.

    Args:
        calls: Name -> call. The first call of each is not counted.
        rounds: Turns of each.
        clock: `time.process_time` counts this process alone, on one thread;
            `time.perf_counter` is for more threads, on an idle machine.
        repetitions: Calls in a turn, timed together.

    Returns:
        Name -> median over the rounds of the seconds of one call.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            time.sleep(PAUSE_SECONDS)
            started = clock()
            for _ in range(repetitions):
                call()
            seconds[name].append((clock() - started) / repetitions)
    return {name: statistics.median(values) for name, values in seconds.items()}


def quantile(values: Sequence[float], fraction: float) -> float:
    """The smallest value that at least this fraction of the values do not exceed.

    Example:
        >>> quantile([30, 10, 20, 40], 0.5), quantile([30, 10, 20, 40], 0.99)
        (20, 40)
    """
    ranked = sorted(values)
    return ranked[max(0, math.ceil(fraction * len(ranked)) - 1)]


def format_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Makes a Markdown table; the first row's keys are the columns.

    Numbers stand on the right, and None is an empty cell.
    """
    columns = list(rows[0])
    cells = [["" if row[c] is None else str(row[c]) for c in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    is_text = [cells[0][i][:1].isalpha() for i in range(len(columns))]

    def line(values):
        padded = [
            value.ljust(width) if text else value.rjust(width)
            for value, width, text in zip(values, widths, is_text, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * width if text else "-" * (width - 1) + ":"
        for width, text in zip(widths, is_text, strict=True)
    ]
    return "\n".join([line(columns), line(rule), *map(line, cells)])


def percent(share: float) -> str:
    """0.734 as "73%"."""
    return f"{share:.0%}"
