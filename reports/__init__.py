"""REPORTS: reads run folders and writes pages, JUnit files, summaries and comparisons.

`load.load_run`, `page.write_page`, `junit.write_junit`, `diff.diff_runs`, `summary.summary`.
"""

if not __name__.startswith("ikelab."):
    raise ImportError(
        "this folder is ikelab.reports: install the project and import it by that name"
    )
