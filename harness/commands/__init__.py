"""One module a command, or a few that belong together. They import nothing heavy before they run.

A function that is a command has click's decorators and docstring; what it returns is the exit
status. `cli` says which commands there are.
"""
