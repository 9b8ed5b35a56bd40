"""The page as a person uses it, in Chromium."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
# Offline and quiet: whatever still leaves the machine is the page's own doing.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What Gradio's client says when it has uploaded a file.
GRADIOS_OWN = "Method not implemented."
TEXT = "I would like some coffee. Where is the station?"
ANSWER = "I dluow ekil emos .eeffoc erehW si eht ?noitats"


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, server, request):
    """The opened page; at the end it must have been quiet and have stayed here."""
    options = {"viewport": {"width": 1280, "height": 900}}
    page = browser.new_page(**options | getattr(request, "param", {}))
    problems, hosts = [], set()
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda line: line.type in ("error", "warning") and problems.append(line.text),
    )
    page.on("request", lambda sent: hosts.add(urlsplit(sent.url).netloc))
    page.goto(server)
    page.locator("#source textarea").wait_for()
    yield page
    page.wait_for_timeout(500)  # for what would still be fetched
    page.close()
    assert set(problems) <= {GRADIOS_OWN}
    assert hosts - {""} == {urlsplit(server).netloc}  # "": data and blob addresses


def translate(page, text):
    page.locator("#source textarea").fill(text)
    page.get_by_role("button", name="Translate", exact=True).click()


def expect_translation(page, text):
    from playwright.sync_api import expect

    expect(page.locator("#target")).to_have_text(text)


def test_a_translation_with_its_alternatives_and_its_attention(page):
    """Mistake: a choice that is shown and not taken over; the first sentence always."""
    translate(page, TEXT)
    expect_translation(page, ANSWER)
    assert page.locator("#target [aria-live=polite], #target[aria-live=polite]").count()
    page.get_by_label("I dluow ekil emos .eeffoc!! (-2.25)").check()
    expect_translation(page, "I dluow ekil emos .eeffoc!! erehW si eht ?noitats")
    page.locator("#sentence input").click()
    page.get_by_role("option", name="2. Where is the station?").click()
    page.get_by_label("erehW si eht ?noitats! (-1.25)").check()
    expect_translation(page, "I dluow ekil emos .eeffoc!! erehW si eht ?noitats!")

    page.get_by_role("tab", name="Look inside").click()
    token = page.locator(".targets .token", has_text="erehW")
    token.hover()
    sources = page.locator(".sources .token")
    weights = [
        float(sources.nth(n).evaluate("e => e.style.getPropertyValue('--weight')"))
        for n in range(sources.count())
    ]
    assert sources.all_inner_texts() == ["Where", "is", "the", "station?", "(end)"]
    assert sum(weights) == pytest.approx(1, abs=0.05)
    page.locator("#inside-sentence input").click()
    page.get_by_role("option", name="1. I would like some coffee.").click()
    page.locator(".sources .token", has_text="coffee.").wait_for()
    assert page.locator("#attention svg.picture rect").count() == 6 * 6


def test_it_translates_as_one_types(page):
    """Mistake: the answer to an earlier text left there; one that comes when it is not
    wanted."""
    page.locator("#source textarea").press_sequentially("Good day to you", delay=30)
    expect_translation(page, "dooG yad ot uoy")
    assert page.locator("#counter").inner_text() == "15 / 500"
    page.get_by_label("Translate as I type").uncheck()
    page.locator("#source textarea").press_sequentially(" all", delay=30)
    page.wait_for_timeout(1500)
    expect_translation(page, "dooG yad ot uoy")


def test_what_comes_without_keys_is_translated(page):
    """Mistake: a paste, a correction or a phone's keyboard that does nothing; a request
    for each letter; the same text asked for twice, by its example and as typed."""
    page.wait_for_timeout(1_000)  # for what the page itself asks
    sent = []
    page.on("request", lambda own: "queue/join" in own.url and sent.append(own))
    page.locator("#source textarea").click()
    page.keyboard.insert_text("red house")
    expect_translation(page, "der esuoh")
    page.keyboard.press("Backspace")
    expect_translation(page, "der suoh")
    assert len(sent) == 2
    page.locator("#source textarea").press_sequentially(" and a garden", delay=20)
    expect_translation(page, "der suoh dna a nedrag")
    assert len(sent) == 3
    page.get_by_text("What time does the next bus leave?").click()
    expect_translation(page, "tahW emit seod eht txen sub ?evael")
    page.wait_for_timeout(1_000)
    assert len(sent) == 4


def test_what_is_late_does_not_come_back(page):
    """Mistake: the translation of a text that is no longer there, in an empty page."""
    page.locator("#source textarea").press_sequentially("asleep")
    page.wait_for_timeout(800)  # it was sent
    page.get_by_role("button", name="Clear").click()
    page.wait_for_timeout(3_000)
    assert page.locator("#target").inner_text().strip() == ""
    assert page.locator("#offers").is_hidden()


def test_what_is_typed_and_left_is_translated(page):
    """Catches: an old translation beside a new text, that looks like its own."""
    from playwright.sync_api import expect

    box = page.locator("#source textarea")
    box.fill("Go on.")
    expect_translation(page, "oG .no")
    box.click()
    page.keyboard.type(" No.")
    expect(page.locator("#sheet")).to_have_class(re.compile("waiting"))
    page.keyboard.press("Tab")
    expect_translation(page, "oG .no .oN")
    expect(page.locator("#sheet")).not_to_have_class(re.compile("waiting"))


def test_a_page_that_is_loaded_again_has_its_text(page):
    from playwright.sync_api import expect

    page.locator("#source textarea").fill("Go on.")
    expect_translation(page, "oG .no")
    page.reload()
    expect(page.locator("#source textarea")).to_have_value("Go on.")
    expect_translation(page, "oG .no")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#source textarea")).to_be_focused()
    page.reload()
    page.locator("#source textarea").wait_for()
    page.wait_for_timeout(1000)
    expect(page.locator("#source textarea")).to_have_value("")


def test_shift_enter_translates(page):
    """Mistake: only the button bound."""
    page.get_by_label("Translate as I type").uncheck()
    page.locator("#source textarea").fill("Good day")
    page.locator("#source textarea").press("Shift+Enter")
    expect_translation(page, "dooG yad")


def test_an_example_translates_at_once(page):
    """Mistake: an example that only fills the box."""
    page.get_by_text("What time does the next bus leave?").click()
    expect_translation(page, "tahW emit seod eht txen sub ?evael")


def test_a_link_opens_with_its_text(page, server):
    """Mistake: the text of a link that waits for a click."""
    page.wait_for_timeout(1500)  # all of the first page is there
    page.goto(f"{server}?source=en&target=es&text=Good%20day%20%3Cb%3E")
    expect_translation(page, "dooG yad >b<")


def test_the_languages_can_be_swapped(page):
    """Mistake: the text left where it was, or translated by the model before."""
    translate(page, "Good day")
    expect_translation(page, "dooG yad")
    page.locator("#swap").click()
    page.get_by_label("Spanish", exact=True).wait_for()
    expect_translation(page, "Good day")
    assert page.locator("#source textarea").input_value() == "dooG yad"
    assert page.locator("#target-name").inner_text() == "English"
    assert page.locator("#target .translation").get_attribute("lang") == "en"
    page.get_by_text("Nunca he visto un jardín tan bonito.").wait_for()  # an example


def test_copy_and_clear(page):
    """Mistake: the markup copied, or the sentence beside it left there."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    translate(page, "Good day.\nAnd night.")
    expect_translation(page, "dooG .yad\ndnA .thgin")
    page.locator("#copy").click()
    page.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "dooG .yad\ndnA .thgin"
    page.get_by_role("button", name="Clear").click()
    expect_translation(page, "")
    assert page.locator("#source textarea").input_value() == ""
    page.locator("#offers").wait_for(state="hidden")


def test_a_mistake_is_told_and_the_page_goes_on(page):
    """Mistake: a box that says Error and stays."""
    translate(page, "x" * 501)
    page.get_by_text("The text has 501 characters, the limit is 500.").wait_for()
    assert page.locator("#counter .over").inner_text() == "501 / 500"
    assert page.locator("#target .error").filter(visible=True).count() == 0
    translate(page, "Good day")
    expect_translation(page, "dooG yad")
    translate(page, "refuse <img src=x onerror=alert(1)>")
    page.get_by_text("<img src=x onerror=alert(1)>").last.wait_for()
    translate(page, "gmi< x=crs >)1(trela=rorreno ${value} {{value}}")
    expect_translation(page, "<img src=x onerror=alert(1)> }eulav{$ }}eulav{{")
    assert page.locator("img[src=x]").count() == 0


def test_blank_text_gets_a_hint(page):
    """Mistake: the old translation left beside an empty box."""
    translate(page, "Good day")
    expect_translation(page, "dooG yad")
    translate(page, "  ")
    page.get_by_text("Write something to translate first.").wait_for()
    expect_translation(page, "")


def test_a_file_comes_back_in_its_form(page, tmp_path):
    """Mistake: a file that cannot be fetched, or a mistake without a word."""
    path = tmp_path / "shop.csv"
    path.write_text("name,price\nred house,7\n-\n", "utf-8")
    page.get_by_role("tab", name="Files").click()
    page.locator("#start").click()
    page.get_by_text("Choose a file first.").wait_for()
    page.locator("#file input[type=file]").set_input_files(path)
    page.locator("#file", has_text="shop").wait_for()
    page.wait_for_timeout(500)
    page.locator("#start").click()
    page.get_by_text("Done: ").wait_for()
    with page.expect_download() as download:
        page.locator("#translated-file a[download]").first.click()
    assert download.value.suggested_filename == "shop.es.csv"
    text = Path(download.value.path()).read_text("utf-8")
    assert text == "name,price\nder esuoh,7\n-\n"


def test_a_file_can_be_stopped(page, tmp_path):
    """Mistake: a button that hides the work and lets it go on."""
    path = tmp_path / "book.txt"
    path.write_text("slow house\n" * 2_000, "utf-8")
    page.get_by_role("tab", name="Files").click()
    page.locator("#file input[type=file]").set_input_files(path)
    page.locator("#file", has_text="book").wait_for()
    page.wait_for_timeout(500)
    page.locator("#start").click()
    page.locator("progress").wait_for()
    page.locator("#stop").click()
    page.get_by_text("Stopped.").wait_for()
    page.wait_for_timeout(1500)
    assert page.locator("progress").count() == 0


def test_two_ways_side_by_side(page):
    page.get_by_role("tab", name="Compare").click()
    page.locator("#compare-text textarea").fill("Good day")
    page.locator("#compare").click()
    page.locator(".answer .translation", has_text="dooG yad").nth(1).wait_for()


def test_the_card_and_the_versions(page):
    page.get_by_role("tab", name="About").click()
    page.get_by_role("heading", name="A fake model").wait_for()
    assert "gradio 6" in page.locator("#about-head").inner_text()


PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_nothing_is_wider_than_a_phone(page):
    """Mistake: two boxes side by side, or a picture that widens the page."""
    translate(page, TEXT)
    expect_translation(page, ANSWER)
    source = page.locator("#source").bounding_box()
    target = page.locator("#target").bounding_box()
    assert target["y"] >= source["y"] + source["height"] - 1
    page.get_by_role("tab", name="Look inside").click()
    page.locator("#attention svg.picture").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("server", ["shipped"], indirect=True)
def test_a_trained_model_from_the_inside(page):
    """Mistake: a word that offers nothing, a choice that is not translated on from, a
    picture that stays empty, steps that do not play."""
    translate(page, "I have never seen such a beautiful garden.")
    last = page.locator("#target .word").last
    last.wait_for()
    before = last.inner_text()
    last.press("Enter")  # by keyboard
    other = page.locator("#words label").first
    other.wait_for()
    word, text = other.inner_text().split("·", 1)
    assert word.strip() != before.rstrip(".") and word.strip() in text
    from playwright.sync_api import expect

    expect(other.locator("input")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#words input").nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    expect_translation(page, text.strip())
    page.locator("#words").wait_for(state="hidden")
    expect(page.locator("#target .word:focus")).to_have_count(1)

    page.get_by_role("tab", name="Look inside").click()
    page.locator(".targets .token", has_text=word.strip()[:3]).first.wait_for()
    page.get_by_role("tab", name="Beam search").click()
    page.locator("#beam svg.picture").wait_for()
    assert page.locator("#beam svg.picture g").count() > 30
    with page.expect_download() as download:
        page.locator("#beam .save-picture").click()
    saved = Path(download.value.path()).read_text("utf-8")
    assert saved.startswith("<svg") and "var(" not in saved
    page.get_by_role("tab", name="Gates").click()
    page.locator("#gates svg.picture").wait_for(timeout=60_000)
    page.get_by_text("Step 1 of 10: encoder 1, forward reads I.").wait_for()
    page.locator("#play").click()
    page.get_by_text("Step 3 of 10: encoder 1, forward reads never.").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_problem(browser, server, scheme):
    """Mistake: a control without a name, text too pale, a trap for keyboards."""
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(color_scheme=scheme)
    page.goto(f"{server}?text=Good%20day%20to%20you.%20Bye.")
    page.locator(".word").first.wait_for()
    found = set()
    for tab in ("Translate", "Look inside", "Files", "Compare", "About"):
        page.get_by_role("tab", name=tab).click()
        page.wait_for_timeout(700)  # for colours that fade in
        for problem in Axe().run(page).response["violations"]:
            if problem["impact"] in ("serious", "critical"):
                places = [node["html"][:100] for node in problem["nodes"]]
                found.add((tab, problem["id"], *places))
    page.close()
    assert found == set()
