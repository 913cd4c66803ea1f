"""`ikelab lab`: what routers and networks are run in, apart from a run of the suite."""

from __future__ import annotations

import click

from ikelab.harness.commands.lab_remote import doctor


@click.group()
def lab() -> None:
    """Look at labs: networks here, routers in GNS3 and CML."""


lab.add_command(doctor)
