"""A peer with bugs on purpose: the reference, and twenty mistakes that real daemons have made."""
