"""ENGINE: keys, the sans-IO IKE SA, edits, peers, records, and the command line."""

if not __name__.startswith("ikelab."):
    raise ImportError(
        "this folder is ikelab.harness: install the project and import it by that name"
    )
