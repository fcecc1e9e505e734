"""What a pipeline does for its own tables and logs once an update has ended."""

from dlt_stub.maintenance.readers import oldest_needed_version
from dlt_stub.maintenance.run import MAINTENANCE, Maintenance

__all__ = ["MAINTENANCE", "Maintenance", "oldest_needed_version"]
