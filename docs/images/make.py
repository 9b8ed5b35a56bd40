"""Takes the pictures of the README: `python docs/images/make.py [MODEL]`.

Needs the playwright package and an installed Chromium.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
SERVE = HERE.parents[1] / "serve.py"
TEXT = "I have never seen such a beautiful garden. Where is the old library?"
WORD = "bonito"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def main() -> None:
    server = subprocess.Popen(
        [sys.executable, str(SERVE), *sys.argv[1:]], stdout=subprocess.PIPE, text=True
    )
    try:
        line = server.stdout.readline()
        if not line:
            sys.exit(server.wait())
        take_pictures(line.split(" at ")[1].split()[0])
    finally:
        server.terminate()
        server.wait()


def take_pictures(address: str) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(
            viewport={"width": 1160, "height": 860}, device_scale_factor=1.5
        )
        page.goto(address)
        page.locator("#source textarea").fill(TEXT)
        page.get_by_role("button", name="Translate", exact=True).click()
        page.locator("#target .word", has_text=WORD).first.click()
        page.locator("#words label").first.wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(1000)  # nothing moves then
        page.screenshot(path=HERE / "page.png")
        page.get_by_role("tab", name="Look inside").click()
        page.get_by_role("tab", name="Beam search").click()
        page.locator("#beam svg.picture").wait_for()
        page.wait_for_timeout(500)
        page.locator("#beam .scroll").screenshot(path=HERE / "beam.png")
        browser.close()


if __name__ == "__main__":
    main()
