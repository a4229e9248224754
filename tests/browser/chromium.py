"""A headless Chromium, as far as the tests drive one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

__all__ = ["Browser", "Keys"]

PROGRAM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
PATIENCE = 15.0

#: Without a sandbox of its own, as it runs as root in a container; and without anything that calls elsewhere.
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One browser with one page.

    :ivar driver: selenium's.
    """

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = PROGRAM
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        for switch in (*SWITCHES, f"--user-data-dir={self._profile.name}"):
            options.add_argument(switch)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))

    def close(self) -> None:
        """End it."""
        self.driver.quit()
        self._profile.cleanup()

    def size(self, width: int, height: int) -> None:
        """Be as large as this; a small one is a phone."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def prefer(self, scheme: str) -> None:
        """Have a system that is ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def block(self, *urls: str) -> None:
        """Let nothing through to these; they may have stars."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(urls)})

    def open(self, address: str) -> None:
        """Go there; nothing of an earlier visit is left."""
        self.driver.get(address)
        self.run("sessionStorage.clear(); localStorage.clear()")
        self.driver.get(address)

    def open_tab(self, address: str) -> None:
        """Go there in a tab of its own, which is the one that is looked at from now on."""
        self.driver.switch_to.new_window("tab")
        self.driver.get(address)

    def close_tabs(self) -> None:
        """Go back to the first tab, and close all others."""
        first, *others = self.driver.window_handles
        for other in others:
            self.driver.switch_to.window(other)
            self.driver.close()
        self.driver.switch_to.window(first)

    def see(self, seen: bool) -> None:
        """Tell the page that somebody sees it, or that it is behind another one; without a screen all are seen."""
        self.run(
            "Object.defineProperty(document, 'hidden', {value: !arguments[0], configurable: true});"
            "document.dispatchEvent(new Event('visibilitychange'))",
            seen,
        )

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script in the page returns."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """The first element that fits."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What stands in everything that fits, as a reader sees it."""
        return "\n".join(self.texts(selector))

    def texts(self, selector: str) -> list[str]:
        """The same, one by one. All are read at once: the page may change from one to the next."""
        script = "return [...document.querySelectorAll(arguments[0])].map((one) => one.innerText)"
        texts: list[str] = self.run(script, selector)
        return texts

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def wait(self, condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """What the condition says once it says anything; the page is told when it does not in time."""
        end = monotonic() + patience
        try:
            return WebDriverWait(self.driver, patience, 0.05).until(lambda _: condition())
        except Exception:
            raise AssertionError(f"not within {patience} s ({monotonic() - end:.1f}):\n{self.text('body')}") from None

    def wait_for(self, selector: str, text: str, patience: float = PATIENCE) -> None:
        """Return when this stands there."""
        self.wait(lambda: text in self.text(selector), patience)

    def complaints(self) -> list[str]:
        """What the console has been told since this was asked last: errors of scripts, breaches of the policy."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def picture(self, path: Path) -> None:
        """Take one."""
        self.driver.save_screenshot(str(path))
