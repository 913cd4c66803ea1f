"""CASES: the product's own test cases, run by `ikelab run` or by pytest."""

if not __name__.startswith("ikelab."):
    raise ImportError(
        "this folder is ikelab.testcases: install the project and import it by that name"
    )
