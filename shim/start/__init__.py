"""How the program is loaded: the code archive, extension modules, a package that cannot be loaded."""
