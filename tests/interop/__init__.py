"""Clients and servers of other makers, with slime between them and without: what they see must be the same.

``python -m tests.interop`` runs them all; ``make interop`` installs what that needs before. ``cases`` says what is
asked, ``drivers`` how each client asks it, ``upstreams`` what answers.
"""
