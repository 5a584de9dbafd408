"""The program that looks at one untrusted file, walled in. Standard library only, so that it starts in milliseconds
and brings little that could go wrong. `walls` puts the walls up; `__main__` reads one descriptor and writes one."""
