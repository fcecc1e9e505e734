"""The local workspace: everything a bundle deploys, on this machine."""

from dlt_stub.workspace.tasks import OnUpdate
from dlt_stub.workspace.workspace import Workspace

__all__ = ["OnUpdate", "Workspace"]
