"""The data plane: ESP and AH sealed and opened with a CHILD_SA's keys, and pings through it.

Sans-IO but for `ping`, which speaks through an endpoint. This room knows one CHILD_SA at a time; it
knows nothing of IKE messages, and it draws no randomness: entropy is an argument.
"""
