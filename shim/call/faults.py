"""The error to report in place of an exception: either the host failed, or cgshim itself has a fault."""

from __future__ import annotations

from shim.errors import ShimError
from shim.system import basename, environment


def as_shim_error(error: BaseException) -> ShimError:
    """Return the error to report for an exception that ended a call."""
    if isinstance(error, ShimError):
        return _of_a_refusal(error) or error
    from shim.start import host_errors

    found = host_errors.as_shim_error(error)
    if found is None:
        return own_fault(error)
    traced(error)
    return found


def _of_a_refusal(error: ShimError) -> ShimError | None:
    """Return the error to report instead of a refusal that was caused by an exhausted resource; None for other
    refusals.
    """
    if error.__cause__ is None:
        return None
    from shim.start import exhaustion

    return exhaustion.as_shim_error(error, exhaustion.OF_THE_PROCESS)


def own_fault(error: BaseException) -> ShimError:
    """Return the error for an unexpected exception: one line for the engine; the traceback goes where CGSHIM_DEBUG
    says.
    """
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else "?"
    debug = traced(error)
    report = f"the traceback in {debug}" if debug else "what CGSHIM_DEBUG=FILE writes"
    words = " ".join(str(error).split())
    return ShimError(
        "own-fault",
        f"a fault of cgshim itself: {type(error).__name__}: {words} ({where}); report it with {report}",
    )


def traced(error: BaseException) -> str:
    """Write the traceback to the file that CGSHIM_DEBUG names. Return that path, "" if there is none."""
    debug = environment().get("CGSHIM_DEBUG", "")
    if not debug:
        return ""
    try:
        import traceback

        with open(debug, "a", encoding="utf-8") as file:
            traceback.print_exception(type(error), error, error.__traceback__, file=file)
    except (OSError, ImportError):
        return ""
    return debug
