"""The services as units of systemd: which units, how tight each is, and putting them in place."""
