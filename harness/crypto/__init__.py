"""Keys, MACs, ciphers, key exchange and signatures: octets in, octets out.

This room knows RFC arithmetic and the rows of `layers.iana`; it knows no packet, no SA and no
clock, and it draws no randomness: entropy is an argument. No other room imports `cryptography`.
"""
