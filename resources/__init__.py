"""What talks to the outside: the lake, the inbox, the home, the catalog, settings. Decides nothing about machines."""
