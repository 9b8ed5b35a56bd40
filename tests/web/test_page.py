"""The page as a person uses it, in Chromium."""

import shutil
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
TEXT = "I would like some coffee. Where is the station?"
ANSWER = "I dluow ekil emos eeffoc. erehW si eht ?noitats"


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
    assert problems == []
    assert hosts - {""} == {urlsplit(server).netloc}  # "": data and blob addresses


def translate(page, text):
    page.locator("#source textarea").fill(text)
    page.get_by_role("button", name="Translate", exact=True).click()


def expect_translation(page, text):
    from playwright.sync_api import expect

    expect(page.locator("#target textarea")).to_have_value(text)


def test_a_translation_with_its_alternatives_and_its_attention(page):
    """Mistake: the second step, which fills the tabs, not started."""
    translate(page, TEXT)
    expect_translation(page, ANSWER)
    third = page.get_by_text("I dluow ekil emos eeffoc!!", exact=True)
    third.filter(visible=True).wait_for()
    page.get_by_role("tab", name="Attention").click()
    picture = page.locator("#attention img")
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 300
    first = picture.get_attribute("src")

    page.locator("#sentence input").click()
    page.get_by_role("option", name="2. Where is the station?").click()
    page.wait_for_function(
        "first => document.querySelector('#attention img').src !== first", arg=first
    )


def test_shift_enter_translates(page):
    """Mistake: only the button bound."""
    page.locator("#source textarea").fill("Good day")
    page.locator("#source textarea").press("Shift+Enter")
    expect_translation(page, "dooG yad")


def test_an_example_translates_at_once(page):
    """Mistake: an example that only fills the box."""
    page.get_by_text("Good morning! Did you sleep well?").click()
    expect_translation(page, "dooG !gninrom diD uoy peels ?llew")


def test_a_mistake_is_told_and_the_page_goes_on(page):
    """Mistake: a box that says Error and stays."""
    translate(page, "x" * 501)
    page.get_by_text("The text has 501 characters, the limit is 500.").wait_for()
    assert page.locator("#target .error").filter(visible=True).count() == 0
    translate(page, "Good day")
    expect_translation(page, "dooG yad")
    translate(page, "refuse <img src=x onerror=alert(1)>")
    page.get_by_text("<img src=x onerror=alert(1)>").last.wait_for()
    assert page.locator("img[src=x]").count() == 0


def test_blank_text_gets_a_hint(page):
    """Mistake: the old translation left beside an empty box."""
    translate(page, "Good day")
    expect_translation(page, "dooG yad")
    translate(page, "  ")
    page.get_by_text("Write something to translate first.").wait_for()
    assert page.locator("#target textarea").input_value().strip() == ""


PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}


@pytest.mark.parametrize("page", [PHONE], indirect=True, ids=["phone"])
def test_nothing_is_wider_than_a_phone(page):
    """Mistake: two boxes side by side, or a picture that widens the page."""
    translate(page, TEXT)
    expect_translation(page, ANSWER)
    page.get_by_role("tab", name="Attention").click()
    page.locator("#attention img").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    source = page.locator("#source").bounding_box()
    target = page.locator("#target").bounding_box()
    assert target["y"] >= source["y"] + source["height"] - 1
