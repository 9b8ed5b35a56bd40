"""The models of a server, and what is refused before any of them is asked."""

import asyncio
import threading
import time

import pytest
from echo import Echo

from translator.config import SearchConfig
from translator.errors import UserError
from translator.serving.gathering import BusyError
from translator.serving.service import (
    Limits,
    NotFoundError,
    Service,
    TooLateError,
    WaitingTranslator,
    join_parts,
)
from translator.startup import count_cores


class Waiting(Echo):
    """Translates when it is allowed to."""

    def __init__(self):
        super().__init__()
        self.allowed = threading.Event()

    def search_sentences(self, sentences, search=None, num_hypotheses=1):
        assert self.allowed.wait(10)
        return super().search_sentences(sentences, search, num_hypotheses)


@pytest.fixture
def make_service():
    services = []

    def make(*translators, **limits):
        services.append(Service(translators, Limits(**limits)))
        return services[-1]

    yield make
    for service in services:
        for model in service.models:
            getattr(model.translator, "allowed", threading.Event()).set()
        service.close()


def translate(service, texts, **options):
    model = service.models[0]
    return asyncio.run(service.translate(model, texts, **options))


def test_a_new_translator_takes_the_place_of_the_old(make_service):
    """Catches: requests of before lost, or answered by the new one; a gap between."""
    old, new = Waiting(), Echo()
    service = make_service(old)
    waiting = service.models[0].gatherer.submit(["ab"], old.search)
    swap = threading.Thread(target=service.put, args=(new,))
    swap.start()
    while service.models[0].translator is old:
        pass
    assert translate(service, ["cd"])[0].text == "dc"
    old.allowed.set()
    swap.join(10)
    assert [t.text for t in waiting.result(10)] == ["ba"]
    assert old.calls[0][0] == ["ab"] and new.calls[0][0] == ["cd"]


def test_an_answer_that_takes_too_long_is_given_up(make_service):
    """Catches: a client that waits forever; work done for nobody."""
    translator = Waiting()
    service = make_service(translator, seconds=0.05)
    for text in (*count_cores() * ["first"], "second"):
        with pytest.raises(TooLateError):
            translate(service, [text])
    with pytest.raises(TooLateError):
        WaitingTranslator(service, service.models[0]).translate(["third"])
    translator.allowed.set()
    service.models[0].gatherer.close()
    asked = [sentence for sentences, *_ in translator.calls for sentence in sentences]
    assert {*asked} == {"first"}


def test_the_time_is_that_of_the_whole_answer(make_service, monkeypatch):
    """Catches: as many deadlines as parts: an answer that comes after minutes."""
    translator = Echo()
    service = make_service(translator, texts=2, seconds=0.4)
    texts = [f"text {n} ".ljust(3_000, "x") for n in range(20)]
    found = asyncio.run(service.translate_many(service.models[0], texts))
    assert [own.source_text for own in found] == texts
    search = translator.search_sentences

    def slow(*arguments):
        time.sleep(0.1)
        return search(*arguments)

    monkeypatch.setattr(translator, "search_sentences", slow)
    with pytest.raises(TooLateError):
        asyncio.run(service.translate_many(service.models[0], texts))


def test_a_closed_service_is_busy(make_service):
    service = make_service(Echo())
    service.close()
    with pytest.raises(BusyError):
        translate(service, ["a"])
    with pytest.raises(BusyError):
        WaitingTranslator(service, service.models[0]).translate(["a"])


def test_texts_that_no_program_can_print_are_mended(make_service):
    service = make_service(Echo())
    assert translate(service, ["a\ud800\0b"])[0].source_text == "a\ufffdb"


def test_models_by_name_and_pair(make_service):
    service = make_service(Echo(), Echo("es", "en"))
    assert service.find("es-en").title == "Spanish to English"
    assert service.find_pair("en", "es").name == "en-es"
    with pytest.raises(NotFoundError, match="en to es, es to en"):
        service.find_pair("en", "de")


def test_options_are_checked(make_service):
    service = make_service(Echo(), Echo("es", "en", is_fixed=True), beam_size=6)
    free, fixed = service.models
    assert service.search_of(free, {"beam_size": 6}) == SearchConfig(
        beam_size=6, length_penalty=1.0
    )
    with pytest.raises(UserError, match="at most 6. Received: 7"):
        service.search_of(free, {"beam_size": 7})
    with pytest.raises(UserError, match="was fixed"):
        service.search_of(fixed, {"beam_size": 2})


def test_the_page_s_translator_is_the_model_s(make_service):
    service = make_service(Echo())
    waiting = WaitingTranslator(service, service.models[0])
    assert waiting.source_language == "en" and waiting.search.beam_size == 4
    [translation] = waiting.translate(["one two"], num_hypotheses=2)
    assert [h.text for h in translation.sentences[0].hypotheses] == [
        "owt eno",
        "ONE TWO",
    ]


def test_a_large_request_lets_others_between(make_service):
    """Catches: a short text that waits for all of a long request; work that goes on
    when nobody waits for it."""
    service = make_service(Waiting(), seconds=0.3)
    [model] = service.models
    texts = ["word " * 500] * 40

    async def ask():
        with pytest.raises(TooLateError):
            await service.translate(model, texts)

    asyncio.run(ask())
    assert model.gatherer.waiting < 6_000
    model.translator.allowed.set()
    found = translate(make_service(Echo()), texts)
    assert [own.source_text for own in found] == texts
    page = make_service(echo := Echo())
    WaitingTranslator(page, page.models[0]).translate(texts)
    assert max(sum(map(len, call[0])) for call in echo.calls) <= 5_000


def test_a_long_text_is_cut_at_its_sentences(make_service):
    """Catches: minutes of work on a text for a client who is gone; characters of three
    bytes, which a network spells, counted as one; sentences that are put together in
    another way than alone."""
    texts = ["Go on. " + "早い鳥。 " * 600 + "\n", "ab", "- Word word.\n\n" * 700]
    service = make_service(echo := Echo())
    found = translate(service, texts)
    sizes = [sum(len(own.encode()) + 1 for own in call[0]) for call in echo.calls]
    assert len(sizes) > 2 and max(sizes) <= 5_000
    expected = Echo().translate(texts)
    assert [own.text for own in found] == [own.text for own in expected]
    assert [own.parts for own in found] == [own.parts for own in expected]
    page = WaitingTranslator(service, service.models[0])
    assert [own.text for own in page.translate(texts)] == [own.text for own in found]
    late = make_service(Waiting(), seconds=0.3)
    with pytest.raises(TooLateError):
        translate(late, texts[:1])
    assert late.models[0].gatherer.waiting < 6_000


def test_what_was_let_in_is_done(make_service):
    """Catches: half of a long request thrown away, as others came meanwhile."""
    translator = Waiting()
    service = make_service(translator)
    [model] = service.models
    model.gatherer._jobs.max_waiting = 6_000

    async def ask():
        long = asyncio.create_task(service.translate(model, ["Word. " * 1_500]))
        await asyncio.sleep(0.1)
        others = [model.gatherer.submit(["x" * 900], translator.search)]
        translator.allowed.set()
        return len((await long)[0].sentences), others

    count, others = asyncio.run(ask())
    assert count == 1_500 and others[0].result(10)


def test_closing_does_not_wait_for_what_nobody_waits_for(make_service, monkeypatch):
    monkeypatch.setattr("translator.serving.service._CLOSING_SECONDS", 0.05)
    service = make_service(Waiting())
    [model] = service.models
    future = model.gatherer.submit(["a"], model.translator.search)
    start = time.monotonic()
    service.close()
    assert time.monotonic() - start < 5
    model.translator.allowed.set()
    assert future.result(10)


def test_sentences_without_spaces_get_some(make_service):
    """Catches: two Spanish sentences without a space between them; parts of a stream
    that join to another text."""
    service = make_service(Echo("zh", "es"))
    [model] = service.models
    texts = ["甲乙。丙丁。", "戊。 己"]
    found = translate(service, texts)
    assert [own.text for own in found] == ["。乙甲 。丁丙", "。戊 己"]

    async def parts():
        return [part async for part in service.stream(model, texts)]

    assert join_parts(texts, asyncio.run(parts())) == found
