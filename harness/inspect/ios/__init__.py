"""What an IOS router says in `debug crypto ikev2`: read, written, and laid beside a capture.

`records` cuts text into records, `dump` reads payload dumps, `log` makes conversations of them,
`report` and `write` show them, `join` compares them with a capture. Nothing here sees a key.
"""
