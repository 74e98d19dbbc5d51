"""
``hubctl``, the command line.

What lives here talks to people: it reads options, asks the API server, prints. It decides nothing about releases.
Modules that a command needs are imported when it runs, so that ``hubctl --help`` answers at once.
"""
