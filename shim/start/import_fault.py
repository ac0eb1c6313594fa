"""The program cannot be loaded: a file is missing, broken, or too new for the interpreter.

Reports that on both of the engine's channels. It imports nothing of the package, which may be what is broken, and is
loaded only then. It has to run on the Python of old hosts, from 3.6 on: hence the quoted annotations.
"""

import os
import sys

OWN_LOGS = ("log.json", "oci-log")  # as in shim.call.channel
NO_FILES = ("journald:", "syslog:")
COSTS_NOTHING = ("shim.stages.poststop", "shim.stages.leftover")  # hooks that tell or tidy up, as in hooks/cgshim-hook


def tell(error: Exception, module: str) -> None:
    """Report `error`, raised while `module` was imported, and exit with status 1, or with 0 if
    the hook must not cost a container. sys.argv is the launcher's.
    """
    debug = os.environ.get("CGSHIM_DEBUG", "")
    if debug and not _traceback(debug, error):
        debug = ""
    told = _of_the_host(error)
    if told:
        _end(told, module)
    # like shim.errors.printable_line, which may be what is broken
    words = "".join(one if one.isprintable() else repr(one)[1:-1] for one in " ".join(str(error).split()))
    what = f"cgshim: a fault of cgshim itself: {type(error).__name__}: {words}; install it again, or report it with "
    _end(what + (f"the traceback in {debug}" if debug else "what CGSHIM_DEBUG=FILE writes") + " [own-fault]", module)


def _of_the_host(error: Exception) -> str:
    """Return the message for a failure of the host; "" for another error, or if that module is broken, too."""
    try:
        from shim.start import host_errors

        told = host_errors.as_shim_error(error)
        return told.text() if told else ""
    except Exception:  # noqa: BLE001 # the first error is the one to report
        return ""


def refuse_python(oldest: "tuple[int, int]", module: str) -> None:
    """Report that this interpreter is too old and exit as `tell` does. oldest: the first supported version."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    _end(
        "cgshim: no usable Python interpreter [no-python]\n"
        f"  cause: {sys.executable} is Python {version}, and cgshim needs {oldest[0]}.{oldest[1]} or newer\n"
        "  remedy: install a newer one, and set CGSHIM_PYTHON to its absolute path in the environment of the engine",
        module,
    )


def _end(text: str, module: str) -> None:
    log, form = caller_log(sys.argv[3:])
    if log:
        _write_log(log, _record(form, text))
    spoken = text + "\n" if log else _record("text", text)
    os.write(2, spoken.encode("utf-8", "backslashreplace"))
    if module.startswith("shim.stages."):
        _read_state()
    os._exit(0 if module in COSTS_NOTHING else 1)


def _read_state() -> None:
    """Read what the runtime writes to its hook: to crun, a hook that ends before is a second failure, a broken pipe."""
    try:
        while not os.isatty(0) and os.read(0, 1 << 16):
            pass
    except OSError:
        pass


def caller_log(arguments: "list[str]") -> "tuple[str, str]":
    """Return the values of --log and --log-format before the subcommand; "" and "text" if they are missing."""
    found = {"log": "", "log-format": "text"}
    pending = ""
    for word in arguments:
        if pending:
            found[pending], pending = word, ""
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if not word.startswith("-"):
            break
        if name in found and equals:
            found[name] = value
        elif not equals and name in (*found, "root", "criu", "rootless", "cgroup-manager", "log-level"):
            pending = name
    return found["log"], found["log-format"]


def _record(form: str, text: str) -> str:
    import time
    from _json import encode_basestring_ascii as quoted

    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if form == "json":
        return f'{{"level":"error","msg":{quoted(text)},"time":"{now}"}}\n'
    return f'time="{now}" level=error msg={quoted(text)}\n'


def _is_own(path: str, arguments: "list[str]") -> bool:
    """Like shim.call.channel.is_own, with any argument as the id or the bundle: flags are not parsed here."""
    words = {value for word in arguments for value in (word, word.partition("=")[2])} - {""}
    directory = os.path.dirname(os.path.abspath(path))
    above = {directory, os.path.basename(directory), os.path.basename(os.path.dirname(directory))}
    return os.path.basename(path) in OWN_LOGS and bool(words & above)


def _write_log(log: str, record: str) -> None:
    if log.startswith(NO_FILES):
        return
    path = log[5:] if log.startswith("file:") else log
    fresh = os.O_TRUNC if _is_own(path, sys.argv[3:]) else os.O_APPEND
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | fresh, 0o600)
    except OSError:
        return  # stderr has the message
    os.write(handle, record.encode("utf-8", "backslashreplace"))
    os.close(handle)


def _traceback(path: str, error: Exception) -> bool:
    try:
        import traceback

        with open(path, "a", encoding="utf-8") as file:
            traceback.print_exception(type(error), error, error.__traceback__, file=file)
    except (OSError, ImportError):
        return False
    return True
