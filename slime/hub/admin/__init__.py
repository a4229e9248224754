"""The admin site: what the hub does, for people, programs and Prometheus, and a few things to tell it.

It has an endpoint of its own (``--admin``), reachable from this machine only unless a token protects it.

=================  ============================================================================================
module             what it holds
=================  ============================================================================================
``view``           the hub as plain data; reads the pool, changes nothing
``actions``        drain, undrain and disconnect an agent; revoke and restore a token
``metrics``        the same numbers for Prometheus
``events``         the view once a second, as server-sent events
``guard``          who may ask
``routes``         which path is answered by what
``site``           the twisted.web side
``service``        the wiring
``page/``          what a browser gets; ``openapi.yaml`` describes the rest
=================  ============================================================================================
"""
