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
TEXT = "Could you tell me where the old library is? I have been looking for an hour."
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
            viewport={"width": 1160, "height": 820}, device_scale_factor=1.5
        )
        page.goto(address)
        page.locator("#source textarea").fill(TEXT)
        page.get_by_role("button", name="Translate", exact=True).click()
        page.wait_for_function("document.querySelector('#target textarea').value")
        page.mouse.move(0, 0)
        page.wait_for_timeout(5000)  # the alternatives follow; nothing moves then
        page.screenshot(path=HERE / "page.png")
        page.get_by_role("tab", name="Attention").click()
        page.locator("#attention img").wait_for()
        page.wait_for_timeout(1000)
        page.locator("#attention img").screenshot(path=HERE / "attention.png")
        browser.close()


if __name__ == "__main__":
    main()
