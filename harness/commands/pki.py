"""`ikelab pki`: certificates for tests."""

from __future__ import annotations

from pathlib import Path

import click

from ikelab.harness.commands.place import PLACE


@click.command()
@click.argument("folder", type=PLACE)
@click.option("--key", "keys", multiple=True, metavar="KIND", help="rsa2048, p256, ed25519 ...")
@click.option("--ca", default="p256", metavar="KIND", help="The kind of the CAs' keys.")
@click.option("--depth", default=1, metavar="N", help="How many intermediates there are.")
@click.option("--bulk", default=0, metavar="OCTETS", help="Comment in each certificate.")
@click.option("--seed", type=int, metavar="N", help="Make the same keys again.")
def pki(
    folder: Path, keys: tuple[str, ...], ca: str, depth: int, bulk: int, seed: int | None
) -> int:
    """Make a small PKI for tests in FOLDER: right certificates and wrong ones, with keys."""
    from ikelab.harness.pki import KEYS, Pki, write

    made = write(Pki(ca=ca, depth=depth, bulk=bulk, seed=seed), folder, keys or KEYS)
    links = f"{depth} intermediate{'s' * (depth != 1)}"
    click.echo(f"{folder}: root, {links}, {len(made)} end entities; see index.json")
    return 0
