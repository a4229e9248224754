"""Whole programs on the loopback interface: what a stranger would see of slime.

A test is a conversation: the application says something, the upstream is asked for the request that arrived and
answers it in the test's own words, the application reads. Everything waits on sockets and on lines of output, with
a deadline, and nothing sleeps.
"""
