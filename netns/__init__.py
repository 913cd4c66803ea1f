"""LAB: network namespaces, links, sockets in them and captures of them; the room of netlink."""

if not __name__.startswith("ikelab."):
    raise ImportError("this folder is ikelab.netns: install the project and import it by that name")
