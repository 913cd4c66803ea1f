"""Captures inspected: which IKE SAs they hold, what was negotiated, what could be decrypted."""
