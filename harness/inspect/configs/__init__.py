"""Configurations of daemons, read as far as an explanation needs them.

Each reader gives `Side`s: what one end would offer and accept. What a file does not say is empty,
and nothing is concluded from it. `read` tells the formats apart by what a file looks like.
"""
