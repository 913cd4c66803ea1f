"""REPORTS: reads run folders and writes pages, JUnit files and comparisons."""

if not __name__.startswith("ikelab."):
    raise ImportError("this folder is ikelab.reports: install the project and import it by that name")
