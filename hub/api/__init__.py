"""
The kinds that the hub serves, as data: models, conditions, the registry of kinds and the CRDs generated from them.

What may live here: descriptions of API objects and pure rules about them. Nothing here does I/O, except
:mod:`hub.api.crds` when it is run as a program that writes the generated files.
"""
