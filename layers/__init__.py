"""WIRE: bytes to Scapy packets and back. No keys, no state, no sockets live here."""

if not __name__.startswith("ikelab."):
    raise ImportError(
        "this folder is ikelab.layers: install the project and import it by that name"
    )
