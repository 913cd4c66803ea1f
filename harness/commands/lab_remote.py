"""`ikelab lab doctor` and `ikelab lab record`: routers that somebody else runs."""

from __future__ import annotations

import click


@click.command()
@click.option("--gns3", "url", metavar="URL", required=True, help="http://HOST:3080, say.")
@click.option("--user", default="admin", show_default=True, help="Who GNS3 knows you as.")
@click.option("--password", envvar="IKELAB_GNS3_PASSWORD", default="admin", metavar="WORD",
              help="Or in IKELAB_GNS3_PASSWORD.")  # fmt: skip
def doctor(url: str, user: str, password: str) -> int:
    """Say what a GNS3 server lacks to run a router, and how to get it."""
    from ikelab.harness.lab.doctor import examine
    from ikelab.harness.lab.gns3_api import Api

    status = 0
    for finding in examine(Api(url, user=user, password=password)):
        click.echo(f"{'ok' if finding.ok else 'missing':<8} {finding.what:<10} {finding.found}")
        if finding.remedy:
            click.echo(f"{'':<19} {finding.remedy}")
        status |= not finding.ok
    return int(status)
