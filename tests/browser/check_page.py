"""The page, in a browser."""

from __future__ import annotations

import atexit
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from tests.browser.chromium import Browser, Keys
from tests.browser.scene import Scene

ROW = "#agent-rows tr"
LIVE = "#live"
EVIL = "<img src=x onerror=alert(1)>"


@cache
def browser() -> Browser:
    """One browser for all tests, which ends with them."""
    made = Browser()
    atexit.register(made.close)
    return made


class PageCase(SynchronousTestCase):
    """A browser on the page of a hub; at the end nothing may have been complained of."""

    expected: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.browser = browser()
        self.browser.size(1400, 900)
        self.browser.prefer("light")
        self.browser.block()

    def look_back(self) -> None:
        """Before the hub goes: has the console been complained to?"""
        complaints = [text for text in self.browser.complaints() if not any(known in text for known in self.expected)]
        self.browser.driver.get("about:blank")
        self.assertEqual(complaints, [])

    def scene(self, *options: str, admin: str = "tcp:0:interface=127.0.0.1") -> Scene:
        """A hub of this test's own, and the browser on its page."""
        scene = Scene(*options, admin=admin)
        self.addCleanup(scene.end)
        self.browser.complaints()
        self.addCleanup(self.look_back)
        self.browser.open(scene.address)
        return scene

    def row(self, name: str) -> str:
        """The text of an agent's row."""
        return next((text for text in self.browser.texts(ROW) if text.startswith(name)), "")

    def wait_for_row(self, name: str, *texts: str) -> None:
        """Return when all of these stand in an agent's row."""
        self.browser.wait(lambda: all(text in self.row(name) for text in texts))


class LifeTests(PageCase):
    """What happens is seen."""

    def test_joins_works_and_dies(self) -> None:
        """An agent's life, on a page that was there before it and is never loaded again."""
        scene = self.scene()
        self.browser.wait_for("#agents-none", "No agent is linked")
        scene.join("berlin")
        self.wait_for_row("berlin", "idle", "127.0.0.1:", "8 cores", "16 GiB")
        self.browser.wait_for("#journal-rows", "berlin joined from 127.0.0.1:")

        scene.ask("/v1/chat/completions")
        served = scene.upstreams["berlin"].next()
        self.wait_for_row("berlin", "busy", "POST /v1/chat/completions")
        self.browser.wait_for("#running-rows", "running")
        scene.ask("/v1/embeddings")
        scene.ask("/v1/models")
        self.browser.wait_for("#queue-rows", "POST /v1/models")
        self.browser.wait_for('[data-chart="queue"] .value', "1")
        self.assertTrue(self.browser.driver.title.startswith("(1) "))

        served.answer(b"done")
        self.browser.wait(lambda: "/v1/chat" not in self.browser.text("main"))
        scene.kill("berlin")
        self.wait_for_row("berlin", "gone", "left at")
        self.browser.wait_for("#agents-count", "0 agents")
        self.browser.wait_for("#journal-rows", "berlin left: ")
        self.browser.wait_for(LIVE, "live")

    def test_latest_loss_first(self) -> None:
        """Of those that are gone, whoever went last is what one looks for."""
        scene = self.scene()
        for name in ("anna", "zoe"):
            scene.join(name)
        for name in ("anna", "zoe"):
            scene.kill(name)
            self.wait_for_row(name, "gone")
        self.assertEqual([text.split()[0] for text in self.browser.texts(ROW)], ["zoe", "anna"])

    def test_charts(self) -> None:
        """A point after ten seconds; all charts point at the same moment, by mouse and by keyboard."""
        self.scene()
        self.browser.wait(lambda: self.browser.run("return document.querySelectorAll('.plot .line').length"), 25)
        plot = self.browser.find('[data-chart="slots"] .plot')
        plot.send_keys(Keys.ARROW_LEFT)
        times = self.browser.texts(".when")
        self.assertEqual((len(times), len(set(times)), times[0].count(":")), (4, 1, 2))
        label = plot.get_attribute("aria-label") or ""
        self.assertTrue(label.startswith("Slots: ") and f", no slots at {times[0]}" in label, label)
        self.browser.press(Keys.ESCAPE)
        self.assertEqual(self.browser.text(".when").strip(), "")
        self.browser.run("arguments[0].dispatchEvent(new PointerEvent('pointermove', {clientX: 9}))", plot)
        self.assertEqual(self.browser.text(".when").count(":"), 8)

    def test_hub_ends_and_comes_back(self) -> None:
        """The page says so, and goes on with the next hub at the same place."""
        self.expected = ("Failed to load resource", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED")
        scene = self.scene()
        self.browser.wait_for(LIVE, "live")
        scene.end()
        self.browser.wait_for(LIVE, "offline")
        port = scene.address.rpartition(":")[2].strip("/")
        again = Scene(admin=f"tcp:{port}:interface=127.0.0.1")
        self.addCleanup(again.end)
        self.browser.wait_for(LIVE, "live")

    def test_many_tabs(self) -> None:
        """A tab that nobody sees leaves its connection to others, of which there are six, and is right when seen."""
        scene = self.scene()
        self.browser.wait_for(LIVE, "live")
        for _ in range(6):
            self.browser.see(False)
            self.browser.wait_for(LIVE, "asleep")
            self.browser.open_tab(scene.address)
            self.browser.wait_for(LIVE, "live")
        scene.join("berlin")
        self.wait_for_row("berlin", "idle")
        self.browser.close_tabs()
        self.browser.wait_for(LIVE, "asleep")
        self.assertNotIn("berlin", self.browser.text(ROW))
        self.browser.see(True)
        self.wait_for_row("berlin", "idle")
        self.browser.wait_for(LIVE, "live")

    def test_without_events(self) -> None:
        """Where the stream does not get through, the page asks again and again."""
        self.expected = ("ERR_BLOCKED_BY_CLIENT",)
        self.browser.block("*/api/v1/events")
        scene = self.scene()
        self.browser.wait_for(LIVE, "polling")
        scene.join("berlin")
        self.wait_for_row("berlin", "idle")


class HostileTests(PageCase):
    """Names are the agents' own."""

    def test_markup_is_text(self) -> None:
        """It is shown as it was written, wherever it is shown; nothing of it is carried out."""
        scene = self.scene()
        scene.join(EVIL, agent_id="evil")
        scene.ask(f"/{EVIL.replace(' ', '%20')}")
        self.wait_for_row(EVIL, "busy")
        self.browser.wait_for("#journal-rows", EVIL)
        self.browser.find(".name").click()
        self.assertEqual(self.browser.text("#sheet-title"), EVIL)
        self.assertEqual(self.browser.run("return document.querySelectorAll('img:not(.mark)').length"), 0)

    def test_phone(self) -> None:
        """Nothing is wider than a phone, however long it is."""
        scene = self.scene()
        long = "w" * 200
        scene.join(long, slots=64)
        for number in range(3):
            scene.ask(f"/{number}/{long}")
        for width in (320, 390, 768, 1024):
            self.browser.size(width, 800)
            self.wait_for_row(long, "working")
            over = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            self.assertLessEqual(self.browser.run(over), 0, width)


class ActionTests(PageCase):
    """What can be done to an agent, without a mouse."""

    def test_drain_by_keyboard(self) -> None:
        scene = self.scene()
        scene.join("berlin")
        self.wait_for_row("berlin", "idle")
        self.browser.find("#agent-rows .name").send_keys(Keys.ENTER)
        self.assertTrue(self.browser.run("return document.getElementById('sheet').open"))
        self.browser.find('[data-action="drain"]').send_keys(Keys.ENTER)
        self.browser.wait_for("#sheet-said", "Done: drained berlin.")
        self.wait_for_row("berlin", "drained")
        self.browser.wait(lambda: self.browser.find('[data-action="undrain"]').is_displayed())
        self.browser.find('[data-action="undrain"]').send_keys(Keys.SPACE)
        self.browser.wait_for("#sheet-said", "Done: undrained berlin.")
        self.wait_for_row("berlin", "idle")
        self.browser.press(Keys.ESCAPE)
        self.assertFalse(self.browser.run("return document.getElementById('sheet').open"))
        self.assertEqual(self.browser.run("return document.activeElement.textContent"), "berlin")

    def test_revoke_asks_twice(self) -> None:
        scene = self.scene()
        scene.join("berlin")
        self.wait_for_row("berlin", "idle")
        self.browser.find("#agent-rows .name").click()
        button = self.browser.find('[data-action="revoke"]')
        button.click()
        self.assertEqual((button.text, self.browser.text("#sheet-said")), ("Revoke token: sure?", ""))
        button.click()
        self.browser.wait_for("#sheet-said", "and ended 1 link.")
        self.wait_for_row("berlin", "gone")
        self.browser.wait_for("#journal-rows", "Token revoked: ")

    def test_filter(self) -> None:
        """It comes with many agents; a slash goes there."""
        scene = self.scene()
        scene.join("berlin", upstream=",".join(f"127.0.0.1:{number}" for number in range(1, 9)))
        self.browser.wait(lambda: self.browser.find("#filter").is_displayed())
        self.browser.press("/", "//127.0.0.1:3")  # of the upstream: an address has no scheme
        self.browser.wait(lambda: len(self.browser.texts(ROW)) == 1 and "127.0.0.1:3" in self.row("berlin"))
        self.browser.press("x")
        self.browser.wait_for("#agents-none", "No agent fits.")


class TokenTests(PageCase):
    """A hub that wants a token."""

    expected = ("status of 401",)

    def test_token(self) -> None:
        """The page asks for it, asks again when it is wrong, and keeps it for the tab."""
        self.scene("--admin-token", "s3cret")
        for token in ("wrong", "s3cret"):
            self.browser.wait(lambda: self.browser.find("#ask-token").is_displayed())
            self.browser.press(token, Keys.ENTER)
        self.browser.wait_for(LIVE, "live")
        self.assertEqual(self.browser.run("return [document.cookie, location.href.includes('s3cret')]"), ["", False])
        self.browser.driver.refresh()
        self.browser.wait_for(LIVE, "live")


class LookTests(PageCase):
    """Colours."""

    def ground(self) -> str:
        """The colour behind everything."""
        return str(self.browser.run("return getComputedStyle(document.body).backgroundColor"))

    def test_light_and_dark(self) -> None:
        """As the system has it, unless told otherwise; that is remembered."""
        scene = self.scene()
        light = self.ground()
        self.browser.prefer("dark")
        dark = self.ground()
        self.assertNotEqual(light, dark)
        self.browser.find("#theme").click()
        self.assertEqual(self.ground(), light)
        self.browser.driver.get(scene.address)
        self.assertEqual(self.ground(), light)
        self.browser.find("#theme").click()
        self.browser.prefer("light")
        self.assertEqual(self.ground(), dark)
