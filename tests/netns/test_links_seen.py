"""What our own netlink messages made of a lab, as pyroute2 reads it back."""

from __future__ import annotations

import pytest

from ikelab.netns.lab import Lab
from ikelab.netns.topology import TOPOLOGIES


def seen(lab: Lab, name: str) -> tuple[set[str], set[int], bool]:
    """A host's addresses, the MTUs of its links but the loopback, and whether all are up."""
    from pyroute2 import IPRoute

    def look() -> tuple[set[str], set[int], bool]:
        with IPRoute() as netlink:
            addresses = {row.get_attr("IFA_ADDRESS") for row in netlink.get_addr()}
            links = [row for row in netlink.get_links() if row.get_attr("IFLA_IFNAME") != "lo"]
            mtus = {row.get_attr("IFLA_MTU") for row in links}
            return addresses, mtus, all(row["flags"] & 1 for row in links)

    return lab.host(name).call(look)


@pytest.mark.parametrize("topology", ["direct", "direct6", "nat-both", "mtu1280"])
def test_pyroute2_sees_the_lab_that_was_asked_for(in_world, topology):
    def look():
        with Lab(topology) as lab:
            return {
                name: (seen(lab, name), {str(a).split("/")[0] for a in (*h.addresses, *h.inner)})
                for name, h in lab.hosts.items()
            }

    found = in_world(look)

    assert len(found) >= 2
    for name, ((addresses, mtus, up), wanted) in found.items():
        assert wanted and wanted <= addresses, name
        assert up and mtus, name
    assert topology in TOPOLOGIES
