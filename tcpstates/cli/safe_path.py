"""Find the folder that a path leads to, safe from redirection by other users.

The path is walked one part at a time, and each folder is held open by its descriptor,
so renaming a folder meanwhile does not change where the walk ends. A symbolic link is
followed only if no other user can have created it. The kernel's own rule
(fs.protected_symlinks, Documentation/admin-guide/sysctl/fs.rst) covers only sticky
folders, and may be off.

On systems without functions relative to a folder (Windows), names are joined to its
path instead.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress

HAS_FOLDERS = {os.open, os.stat, os.unlink, os.readlink, os.rename} <= (
    os.supports_dir_fd
)
_FOLDER = (
    getattr(os, "O_PATH", os.O_RDONLY)  # as for cd, no right to list it is needed
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_MOST_LINKS = 40  # as in the kernel: MAXSYMLINKS, linux/namei.h
_ROOT = 0


class Folder:
    """A folder that is opened once; names are looked up only in it."""

    def __init__(self, path: str, below: Folder | None = None) -> None:
        """Open a folder, below another one; raise OSError."""
        self.path: str = path if below is None else os.path.join(below.path, path)
        self.descriptor: int | None = None
        if HAS_FOLDERS:
            inside = None if below is None else below.descriptor
            self.descriptor = os.open(path, _FOLDER, dir_fd=inside)

    def close(self) -> None:
        """Close the descriptor."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None

    def _name(self, name: str) -> str:
        return name if HAS_FOLDERS else os.path.join(self.path, name)

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a file of the folder; a symbolic link is an error."""
        flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        flags |= getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
        return os.open(self._name(name), flags, mode, dir_fd=self.descriptor)

    def look(self, name: str) -> os.stat_result | None:
        """Return the status of a name, not following links; None: it does not exist."""
        with suppress(FileNotFoundError):
            return os.stat(
                self._name(name), dir_fd=self.descriptor, follow_symlinks=False
            )
        return None

    def read_link(self, name: str) -> str:
        """Read the target of a symbolic link."""
        return os.readlink(self._name(name), dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        """Remove a file."""
        os.unlink(self._name(name), dir_fd=self.descriptor)

    def replace(self, name: str, target: str) -> None:
        """Rename a file atomically, replacing any file of the new name."""
        os.replace(
            self._name(name),
            self._name(target),
            src_dir_fd=self.descriptor,
            dst_dir_fd=self.descriptor,
        )

    def is_ours(self) -> bool:
        """Check whether only the current user and root can create files in it."""
        me = _user()
        if me is None:
            return True  # Windows: access lists, which are not examined
        found = self._status()
        if found.st_uid not in (_ROOT, me) or found.st_mode & stat.S_IWOTH:
            return False
        if not found.st_mode & stat.S_IWGRP:
            return True
        # These bits are also the mask of an access list, which may name any user.
        return _is_private_group(found.st_gid, me) and not self._has_access_list()

    def may_be_planted(self, entry: os.stat_result) -> bool:
        """Check whether another user can have created this entry.

        Only root can create device nodes. In a sticky folder, nobody can replace our
        entries. But the owner of another folder can move root's links and files from
        that folder into this one, so root trusts no link and no regular file in a
        sticky folder.
        """
        if stat.S_ISCHR(entry.st_mode) or stat.S_ISBLK(entry.st_mode) or self.is_ours():
            return False
        me, found = _user(), self._status()
        if not (found.st_mode & stat.S_ISVTX and found.st_uid in (_ROOT, me)):
            return True
        if stat.S_ISLNK(entry.st_mode) or stat.S_ISREG(entry.st_mode):
            return me == _ROOT or entry.st_uid != me
        return entry.st_uid not in (_ROOT, me)

    def _has_access_list(self) -> bool:
        if self.descriptor is None or not hasattr(os, "getxattr"):
            return False
        try:
            os.getxattr(f"/proc/self/fd/{self.descriptor}", "system.posix_acl_access")
        except OSError as error:
            return error.errno not in (errno.ENODATA, errno.ENOTSUP)
        return True

    def is_same(self, path: str) -> bool:
        """Check whether the path leads to this folder."""
        try:
            return os.path.samestat(self._status(), os.stat(path))
        except OSError:
            return False

    def _status(self) -> os.stat_result:
        return os.stat(self.path if self.descriptor is None else self.descriptor)


def _user() -> int | None:
    """Return the effective user; None on Windows."""
    return os.geteuid() if hasattr(os, "geteuid") else None


def _is_private_group(gid: int, me: int) -> bool:
    """Check whether the user is the only member of a group: Debian's default."""
    if sys.platform != "win32" and me != _ROOT:
        import grp
        import pwd

        with suppress(KeyError):
            own, group = pwd.getpwuid(me), grp.getgrgid(gid)
            is_own = own.pw_gid == gid and own.pw_name == group.gr_name
            return is_own and set(group.gr_mem) <= {own.pw_name}
    return False


class OwnDescriptor(Exception):
    """A path leads to one of our own descriptors, which is `number`."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def find_folder(path: str) -> tuple[Folder, str]:
    """Find the folder that contains a path's last part, and return that part, too.

    The last part is not a symbolic link, and may not exist yet. The caller closes the
    folder. Raise IsADirectoryError for a path that ends in a folder, PermissionError
    for a link that another user may have created, other OSErrors, and OwnDescriptor.
    """
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    if not HAS_FOLDERS:
        target = os.path.realpath(path)
        return Folder(os.path.dirname(target)), os.path.basename(target)
    walk = _Walk(path)
    try:
        name = walk.to_the_last()
    except BaseException:
        walk.folder.close()
        raise
    return walk.folder, name


class _Walk:
    """The folder reached so far, and the remaining parts."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._parts = path.split("/")[::-1]  # reversed: the next part is at the end
        self._links = 0
        self.folder = Folder("/" if path.startswith("/") else ".")

    def to_the_last(self) -> str:
        """Walk to the folder of the last part, and return that part."""
        while self._parts:
            part = self._parts.pop()
            if part in ("", "."):
                continue
            found = self.folder.look(part)
            if found is not None and stat.S_ISLNK(found.st_mode):
                self._follow(part, found)
            elif not self._parts and part != "..":
                return part
            else:
                self._enter(Folder(part, self.folder))
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), self._path)

    def _enter(self, folder: Folder) -> None:
        self.folder.close()
        self.folder = folder

    def _follow(self, name: str, found: os.stat_result) -> None:
        """Insert the target of a symbolic link before other parts; raise OSError."""
        path = os.path.join(self.folder.path, name)
        if name.isdecimal() and self.folder.is_same("/proc/self/fd"):
            raise OwnDescriptor(int(name))  # its target is not a path: "pipe:[4711]"
        self._links += 1
        if self._links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if self.folder.may_be_planted(found):
            text = f"{path!r} is a symbolic link that another user may have created"
            raise PermissionError(errno.EPERM, f"{text}; name the file itself", path)
        where = self.folder.read_link(name)
        self._parts += where.split("/")[::-1]
        if where.startswith("/"):
            self._enter(Folder("/"))
