"""The channel: connections of applications, from the first byte to the last."""

from __future__ import annotations

from tests.hub_fixture import HubTestCase, request


class ConversationTests(HubTestCase):
    def test_get(self) -> None:
        agent = self.hub.agent()
        app = self.application()
        app.get(b"/path?query")
        self.assertEqual((agent.last.head.method, agent.last.head.target), (b"GET", b"/path?query"))
        agent.answer(b"200 Fine\r\nX-Thing: 1", b"hello")
        response = app.response()
        self.assertEqual((response.status, response.body), (200, b"hello"))
        app.get()
        agent.answer()
        self.assertEqual(len(app.responses()), 2)
