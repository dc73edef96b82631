"""One headless Chromium for the tests of the page, driven over its own protocol."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-component-update"
    " --disable-background-networking --disable-sync --disable-dev-shm-usage"
)
PHONE, DESKTOP = (360, 740), (1200, 900)


class Browser:
    """One Chromium, which shows pages from the disk."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM or ""
        for flag in [*FLAGS.split(), f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        # Any, for selenium's own types have gaps
        self.driver: Any = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        self.resize(DESKTOP)

    def resize(self, size: tuple[int, int]) -> None:
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path: Path, address: str = "") -> None:
        """Show a page anew and wait until it has started."""
        self.driver.get("about:blank")
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get(path.as_uri() + address)
        self.wait(lambda: self.run("return 'ready' in root.dataset"))

    def wait(self, condition: Callable[[], Any]) -> None:
        """Wait until ``condition`` holds; selenium would look for it twice a second."""
        WebDriverWait(self.driver, 20, poll_frequency=0.02).until(lambda _: condition())

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(
            f"const root = document.documentElement; {script}", *arguments
        )

    def find(self, selector: str) -> WebElement:
        found: WebElement = self.driver.find_element(By.CSS_SELECTOR, selector)
        return found

    def text(self, selector: str) -> str:
        return self.find(selector).text

    def words(self) -> list[str]:
        """Return the words shown, as they are and not as they are written."""
        count = "[...document.querySelectorAll('#words li')].map((item) => item.textContent)"
        words: list[str] = self.run(f"return {count}")
        return words

    def type(self, selector: str, text: str) -> None:
        field = self.find(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text or Keys.DELETE)

    def fill(self, selector: str, text: str) -> None:
        """Put ``text`` into a field at once, as when it is pasted."""
        script = "const [field, text] = arguments; field.value = text;"
        self.run(
            script + "field.dispatchEvent(new Event('input', {bubbles: true}))",
            self.find(selector),
            text,
        )

    def console(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses asked for since the page was opened."""
        messages = [json.loads(e["message"])["message"] for e in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
