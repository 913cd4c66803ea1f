"""A peer with bugs on purpose: the reference and some twenty mistakes that daemons make."""
