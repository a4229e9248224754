"""Tells ``twistd`` of slime's services and reactor. Data only: ``twistd`` reads this file for every plugin it lists."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

hub = ServiceMaker("slime hub", "slime.hub.tap", "Route HTTP requests to agents.", "slime-hub")
agent = ServiceMaker("slime agent", "slime.agent.tap", "Serve a hub's requests from upstreams.", "slime-agent")
reactor = Reactor("slime", "slime.reactor", "epoll(7), without what slime does not use of Twisted's logging.")
