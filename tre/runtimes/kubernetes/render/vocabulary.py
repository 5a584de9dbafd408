"""Names and numbers that the renderer, the guards and the door share.

Guarantees: whatever an admission policy compares with stands here once; a test holds the policies against it.
"""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as plain JSON: never a generated model, which would drop fields that it does not know."""

GRANT_LABEL = "tre.research/grant"
WORKSPACE_LABEL = "tre.research/workspace"
END_ANNOTATION = "tre.research/end"
GRANT_ANNOTATION = "tre.research/grant-name"
IMAGE_AGE_ANNOTATION = "tre.research/image-age"
"""On a namespace: how long after it was built an image may be started, as CEL's `duration` reads it."""

IMAGE_BUILT_ANNOTATION = "tre.research/image-built"
"""On a pod: when the older of its images was built."""

PLAN_ANNOTATION = "tre.research/plan"
CERTIFICATE_ANNOTATION = "tre.research/door-certificate"
RUN_END_ANNOTATION = "tre.research/run-end"
"""Until when a run goes on, once that was brought forward."""

ENDING_ANNOTATION = "tre.research/ending"
"""Why a run was ended by us: written before it is deleted, so that whoever looks next knows."""

ISOLATION_ANNOTATION = "tre.research/isolation"
"""The proof of isolation, once there was one: a controller without memory need not read logs again."""

ASKED_ANNOTATION = "tre.research/pod-asked-for"
"""On an instruction: a pod was asked for, so that one which is gone without proof is missed."""

PROOF_FINALIZER = "tre.research/proof"
"""Keeps a deleted pod's object until its node said that every container has terminated."""

MANAGED_BY = {"app.kubernetes.io/managed-by": "tre-controller", "app.kubernetes.io/part-of": "tre"}

SERVICE_ACCOUNT = "workspace"
WORKSPACE_CONTAINER = "workspace"
DOOR_CONTAINER = "door"

DOOR_PORT = 8443
HEALTH_PORT = 8081
"""The door answers the kubelet here; the network policy lets only the node reach it, as it always may."""

INSTRUCTION_DIRECTORY = "/run/instruction"
INSTRUCTION_FILE = "instruction.json"
DOOR_INSTRUCTION_FILE = "door.json"
KEYS_DIRECTORY = "/run/keys"
CERTIFICATE_FILE, KEY_FILE, GATEWAY_FILE = "tls.crt", "tls.key", "gateway.crt"
DOOR_DIRECTORY = "/run/door"
DOOR_OWN_DIRECTORY = "/run/own"
REPORT_SOCKET = f"{DOOR_DIRECTORY}/report.sock"
DOOR_PROGRAM = "tre.runtimes.door"

GRACE_SECONDS = 1
"""The first process kills everything at once when told to stop. Not 0: then the API server forgets the pod before
the node has killed it, and the object's going would prove nothing."""
