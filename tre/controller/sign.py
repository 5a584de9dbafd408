"""The sign by which the other services find the controller that leads: a label on its pod.

Guarantees: who leads puts the label on its own pod and takes it off every other one, when it begins and again every few
seconds, by whatever hand it went. The Service of the controller sends to pods with the label only, so a stand-by can be
ready like any other pod and is still sent nobody. Who led before may keep the label until the next leader takes it off;
it has ended by then, or answers that it does not lead.

Does not guarantee: that it is there at once: a service finds the leader as soon as the cluster has passed the label on.
Outside a pod (a trial with a kubeconfig) there is nothing to put it on.
"""

from __future__ import annotations

import threading

import structlog

from tre.cluster.protocol import ClusterClient, Key, Kind, Selector, key_of
from tre.domain.errors import Reason, TREError

log = structlog.get_logger()

LEADS = "tre.research/leads"
AGAIN_SECONDS = 10.0
_POD = Kind("", "v1", "Pod", "pods")
_LEADING = Selector(labels=f"{LEADS}=true")


class Sign:
    """One leader's, for its `own` pod."""

    def __init__(self, client: ClusterClient, own: Key) -> None:
        self._client, self._own = client, own
        self._trouble = ""

    def put_up(self) -> bool:
        """Look whether the label is where it belongs, and put it there; whether there is a pod to put it on."""
        bearers = [key_of(item) for item in self._client.list(_POD, self._own.namespace, _LEADING).items]
        for other in (key for key in bearers if key != self._own):
            self._mark(other, None)
        return self._own in bearers or self._mark(self._own, "true")

    def keep_up(self, stop: threading.Event) -> None:
        """Do so now and then until told to stop; whatever is in the way now may be gone next time."""
        while self._try() and not stop.wait(AGAIN_SECONDS):
            pass

    def _try(self) -> bool:
        try:
            there = self.put_up()
        except TREError as error:
            if str(error) != self._trouble:  # said once, not each time it is tried again
                log.warning("sign-not-put-up", error=str(error))
            self._trouble = str(error)
            return error.reason is not Reason.LeadershipLost
        self._trouble = ""
        if not there:
            log.info("no-pod-to-put-a-sign-on", name=self._own.name)
        return there

    def _mark(self, key: Key, value: str | None) -> bool:
        """Whether the pod is there."""
        try:
            self._client.patch(_POD, key, {"metadata": {"labels": {LEADS: value}}})
        except TREError as error:
            if error.reason is not Reason.ObjectNotFound:
                raise
            return False
        return True
