"""The tables as revision 0001 creates them, by group."""
