"""What is told in the place of an exception: the host ran out of something, or cgshim itself has a fault."""

from __future__ import annotations

from shim.errors import ShimError
from shim.system import basename, environment


def told(error: Exception) -> ShimError:
    """What to say for an exception that ended a call."""
    if isinstance(error, ShimError):
        return _of_the_host(error) or error
    return _of_the_host(error) or own_fault(error)


def _of_the_host(error: Exception) -> ShimError | None:
    """What is told instead where the host ran out of something; None for any other error."""
    if isinstance(error, ShimError) and error.__cause__ is None:
        return None
    from shim.start import exhaustion

    return exhaustion.told(error, exhaustion.OF_THE_PROCESS if isinstance(error, ShimError) else exhaustion.RESOURCES)


def own_fault(error: BaseException) -> ShimError:
    """An exception that should never have been: one line for the engine, the traceback where CGSHIM_DEBUG says."""
    place = error.__traceback__
    while place and place.tb_next:
        place = place.tb_next
    where = f"{basename(place.tb_frame.f_code.co_filename)}:{place.tb_lineno}" if place else "?"
    debug = environment().get("CGSHIM_DEBUG", "")
    if debug:
        import traceback

        try:
            with open(debug, "a", encoding="utf-8") as file:
                traceback.print_exception(type(error), error, error.__traceback__, file=file)
        except OSError:
            debug = ""
    report = f"the traceback in {debug}" if debug else "what CGSHIM_DEBUG=FILE writes"
    words = " ".join(str(error).split())
    return ShimError(
        "own-fault",
        f"a fault of cgshim itself: {type(error).__name__}: {words} ({where}); report it with {report}",
    )
