"""What runs the gateway and the bench: numbers of one interpreter say little about those of another."""

import platform
import sysconfig


def interpreter() -> str:
    """Its version, and whether it was built with profile-guided optimisation: Python code is a fifth faster then."""
    how = "with" if _profiled() else "without"
    return f"Python {platform.python_version()}, built {how} profile-guided optimisation"


def _profiled() -> bool:
    # Of CFLAGS nothing can be seen: the flags are given to `make` when it builds for the second time.
    if "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""):
        return True
    # Debian and its kin call `make profile-opt` themselves, and leave no trace but the install scheme of their patches.
    return "deb_system" in sysconfig.get_scheme_names()
