"""Models that are replaced on the disk while clients ask."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import httpx
import pytest
from real_server import real_server, wait_until

from translator.loading import load_translator, model_stamp
from translator.serving import reloading
from translator.serving.app import create_app
from translator.serving.reloading import Reloader
from translator.serving.service import Service, WaitingTranslator

TEXT = "Where did the old children sing? Nobody is near."


def replace(folder, source, **search):
    """Puts a copy of a model folder in the place of another, with other options."""
    new, old = folder.with_name("new"), folder.with_name("old")
    shutil.copytree(source, new)
    config = json.loads((new / "config.json").read_text("utf-8"))
    config["search"] |= search
    (new / "config.json").write_text(json.dumps(config), "utf-8")
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old)


@pytest.fixture
def folder(onnx_dir, tmp_path):
    return shutil.copytree(onnx_dir, tmp_path / "served")


@pytest.fixture
def reports():
    return []


@pytest.fixture
def service(folder, reports):
    stamps = [model_stamp(folder)]
    service = Service([load_translator(folder)])
    service.warm_up()

    def report(name, is_loaded, line):
        assert name == service.models[0].name
        assert is_loaded is line.endswith("was loaded again.")
        reports.append(line)

    reloader = Reloader(service, [folder], stamps, load_translator, report, 0.02)
    yield service
    reloader.close()
    service.close()


def answer_of(folder):
    [translation] = load_translator(folder).translate([TEXT])
    return translation.text


def test_good_models_follow_each_other_without_a_failed_request(
    service, folder, onnx_dir, reports
):
    """Catches: a gap, a gatherer closed under a request, a page that keeps the old."""
    expected = {answer_of(folder)}
    page = WaitingTranslator(service, service.models[0])
    answers, failures, is_over = set(), [], threading.Event()

    def ask(address):
        with httpx.Client(base_url=address) as client:
            while not is_over.is_set():
                answer = client.post("/v1/translate", json={"text": TEXT})
                if answer.status_code != 200:
                    failures.append(answer.text)
                    return
                answers.add(answer.json()["translations"][0]["text"])

    with real_server(create_app(service)) as (host, port):
        arguments = [f"http://{host}:{port}"]
        threads = [threading.Thread(target=ask, args=arguments) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert wait_until(lambda: answers == expected or failures)
        for number, length in enumerate((1, 3, 5), 1):
            replace(folder, onnx_dir, max_length_factor=0.1, max_length_extra=length)
            assert wait_until(lambda n=number: loaded(reports) == n), reports
            expected.add(answer_of(folder))
            assert page.translate([TEXT])[0].text == answer_of(folder)
            assert page.search.max_length_extra == length
            assert wait_until(lambda: answers == expected or failures)
        is_over.set()
        for thread in threads:
            thread.join(30)
    assert failures == []
    assert answers == expected and len(expected) == 4
    assert [model.name for model in service.models] == ["toy"]


def loaded(reports):
    return sum(report.endswith("was loaded again.") for report in reports)


def damage_graph(folder):
    (folder / "step.onnx").write_bytes(b"nonsense")


def damage_config(folder):
    (folder / "config.json").write_text("{", "utf-8")


def change_languages(folder):
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["data"]["target_language"] = "fr"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")


def remove(folder):
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damage_graph, "cannot be loaded as an ONNX graph"),
        (damage_config, "config.json"),
        (change_languages, "en to fr now, and en to es before"),
        (remove, "served"),
    ],
)
def test_a_damaged_model_is_one_line_and_the_old_one_stays(
    service, folder, onnx_dir, reports, damage, reason
):
    """Catches: a server that breaks, retries for ever, or never looks again."""
    old, expected = service.models[0].translator, answer_of(folder)
    damage(folder)
    assert wait_until(lambda: reports)
    time.sleep(0.2)
    [line] = reports
    assert line.startswith(f"{folder} was not loaded again: ")
    assert reason in line and "\n" not in line
    assert service.models[0].translator is old
    page = WaitingTranslator(service, service.models[0])
    assert page.translate([TEXT])[0].text == expected
    folder.mkdir(exist_ok=True)
    replace(folder, onnx_dir, max_length_extra=2)
    assert wait_until(lambda: loaded(reports) == 1), reports
    assert service.models[0].translator is not old


def test_a_folder_that_is_being_written_is_left_alone(service, reports, monkeypatch):
    """Catches: half a model that is loaded."""
    looks = [*map(str, range(20)), *5 * ["still"]]
    seen = []

    def look(folder):
        seen.append(looks.pop(0) if len(looks) > 1 else looks[0])
        return seen[-1]

    monkeypatch.setattr(reloading, "model_stamp", look)
    assert wait_until(lambda: reports)
    assert seen.index("still") == 20 and len(reports) == 1


def test_who_holds_the_old_model_is_answered_by_it(service, folder, onnx_dir, reports):
    """Catches: requests refused as their model was closed; threads that stay."""
    num_threads = threading.active_count()
    model = service.models[0]
    replace(folder, onnx_dir, max_length_extra=2)
    assert wait_until(lambda: loaded(reports) == 1)
    future = model.gatherer.submit([TEXT], model.translator.search)
    assert future.result(10)[0].text == answer_of(onnx_dir)
    assert threading.active_count() > num_threads
    del model, future
    assert wait_until(lambda: threading.active_count() == num_threads)


def test_each_kind_of_folder_shows_a_change(tmp_path):
    """Catches: a change of the weights, or a new version, that nobody sees."""
    stamps = [model_stamp(tmp_path)]
    for name in (
        "config.json",
        "checkpoints/best.npz",
        "step.onnx",
        "2/saved_model.pb",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a", "utf-8")
        stamps.append(model_stamp(tmp_path))
    (tmp_path / "metrics.jsonl").write_text("a", "utf-8")
    assert model_stamp(tmp_path) == stamps[-1]
    for name in ("variables/variables.index", "assets.extra/translator.json"):
        path = tmp_path / "2" / name
        path.parent.mkdir(parents=True)
        path.write_text("x", "utf-8")
        stamps.append(model_stamp(tmp_path))
    assert len({*stamps}) == len(stamps)


def test_a_link_that_leads_elsewhere_shows(tmp_path):
    """Catches: a model of the same size and time, as images have them, not loaded."""
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(name, "utf-8")
        os.utime(tmp_path / name / "config.json", (1, 1))
    link = tmp_path / "current"
    stamps = []
    for name in "ab":
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        stamps.append(model_stamp(link))
    assert stamps[0] != stamps[1]


def test_a_folder_that_cannot_be_read_shows_nothing(tmp_path, monkeypatch):
    """Catches: the end of all watching."""

    def refuse(*arguments):
        raise PermissionError

    monkeypatch.setattr(Path, "glob", refuse)
    assert model_stamp(tmp_path) == frozenset()
