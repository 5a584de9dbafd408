"""POSIX access lists, for the one directory that several users share: a project's folder.

Guarantees: exactly the named users may enter, read and write, besides the owner; what they make inside can be used by
all who were named when it was made, whatever their umask.

Does not guarantee: that somebody named later may use what was made before; nor anything on a file system without
access lists, which is an error.
"""

from __future__ import annotations

import os
import struct

_ACCESS, _DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
_VERSION = 2
_OWNER, _USER, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY = 0xFFFFFFFF
_ALL, _NONE = 7, 0


def named_users(descriptor: int) -> list[int]:
    """The users that an open directory's access list names."""
    try:
        data = os.getxattr(descriptor, _ACCESS)
    except OSError:
        return []  # no list yet
    entries = struct.iter_unpack("<HHI", data[4:])
    return sorted(uid for tag, _, uid in entries if tag == _USER)


def admit(descriptor: int, uid: int) -> None:
    """Add a user to an open directory's list, and to that of everything made inside from now on."""
    users = sorted({*named_users(descriptor), uid})
    entries = [
        (_OWNER, _ALL, _NOBODY),
        *((_USER, _ALL, user) for user in users),
        (_GROUP, _NONE, _NOBODY),
        (_MASK, _ALL, _NOBODY),
        (_OTHER, _NONE, _NOBODY),
    ]
    data = struct.pack("<I", _VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    for name in (_DEFAULT, _ACCESS):
        os.setxattr(descriptor, name, data)
