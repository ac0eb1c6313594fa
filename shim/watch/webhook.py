"""Alerts as POST requests: first into the spool, then to the receiver, in order, until it answers 2xx.

A separate thread delivers them, so that a slow or unavailable receiver does not stop the watcher.
"""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request

from shim.watch.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shim.watch.alert import Alert
    from shim.watch.spool import Spool

TIMEOUT = 10.0  # seconds for one request
FIRST, LONGEST = 1.0, 60.0  # seconds between attempts; doubled after each
AT_END = 2.0  # seconds for the rest at the end; further alerts are delivered at the next start
SERIAL = "Cgshim-Alert-Serial"  # lets a receiver recognise a repeated request


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A 3xx answer is an error: a redirected POST would arrive as a GET, without the alert."""

    def redirect_request(self, *_: object) -> None:
        """Return None: no redirect."""


class Webhook(Sink):
    """Delivers to `url`. failed: why the last attempt failed, "" after a success. Raises ValueError for a bad URL."""

    def __init__(self, url: str, spool: Spool, first: float = FIRST) -> None:
        scheme, separator, rest = url.partition("://")
        if scheme not in ("http", "https") or not separator or not rest.partition("/")[0]:
            raise ValueError(f"{url!r} is not a URL that begins with http:// or https:// and names a host")
        self.url = url
        self.spool = spool
        self.wait = self.first = first
        self.failed = ""
        self.lock = threading.Lock()
        self.more = threading.Event()
        self.ending = threading.Event()
        self.opener = urllib.request.build_opener(NoRedirect)
        self.thread = threading.Thread(target=self._deliver, name="webhook", daemon=True)
        self.thread.start()

    def alert(self, alert: Alert) -> None:
        """Add the alert to the spool. Raises OSError."""
        data = json.dumps(alert.shape()).encode("ascii")
        with self.lock:
            self.spool.put(data)
        self.more.set()

    def has(self, serial: str) -> bool:
        """Return whether it waits in the spool."""
        with self.lock:
            return self.spool.holds(json.dumps(serial).encode("ascii"))

    def _deliver(self) -> None:
        while True:
            self.more.clear()
            if self._all():
                if self.ending.is_set():
                    return
                self.more.wait()
            elif self.ending.wait(self.wait):
                return
            else:
                self.wait = min(LONGEST, self.wait * 2)

    def _all(self) -> bool:
        """Deliver waiting alerts in order; return False at the first failure."""
        while True:
            try:
                with self.lock:
                    found = self.spool.first()
                if found is None:
                    return True
                self._post(found[1])
                with self.lock:
                    self.spool.done(found[0])
            except (OSError, http.client.HTTPException) as error:  # urllib's own errors are OSErrors
                self.failed = f"{self.url}: {error}"
                return False
            self.failed, self.wait = "", self.first

    def _post(self, data: bytes) -> None:
        headers = {"Content-Type": "application/json", SERIAL: _serial(data)}
        request = urllib.request.Request(self.url, data=data, headers=headers, method="POST")
        with self.opener.open(request, timeout=TIMEOUT) as answer:
            answer.read(1 << 16)

    def close(self) -> None:
        """Deliver what is possible in a moment; the rest stays in the spool."""
        self.ending.set()
        self.more.set()
        self.thread.join(AT_END)


def _serial(data: bytes) -> str:
    """Return the serial of an alert in the spool; "" for a foreign file, which the receiver may judge."""
    try:
        return str(json.loads(data)["serial"])
    except (ValueError, KeyError, TypeError):
        return ""
