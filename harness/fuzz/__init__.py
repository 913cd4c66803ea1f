"""FUZZ: cases as plans of edits, made from the honest messages; oracles; findings that replay."""
