"""What has broken daemons before: harmless probes, one kind of flaw each (docs/cves.md)."""
