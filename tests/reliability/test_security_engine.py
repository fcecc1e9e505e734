"""The engine lets nobody in: it listens on this machine alone, and to whoever holds its token."""

import stat
from pathlib import Path

import pytest
from py4j.java_gateway import GatewayParameters, JavaGateway
from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

LISTENING = "0A"
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def listening(pid: int) -> list[tuple[str, int]]:
    """Return the addresses, as Linux writes them, and ports that a process listens on."""
    process = Path(f"/proc/{pid}")
    own = {each.readlink().name for each in (process / "fd").iterdir() if each.is_symlink()}
    found = []
    for table in ("net/tcp", "net/tcp6"):
        for line in (process / table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == LISTENING and f"socket:[{rest[5]}]" in own:
                address, port = local.split(":")
                found.append((address, int(port, 16)))
    return found


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="only Linux tells")
def test_driver_listens_on_loopback_only(spark: SparkSession) -> None:
    pid = spark._jvm.java.lang.ProcessHandle.current().pid()  # type: ignore[union-attr]
    found = listening(pid)
    assert found
    assert [each for each in found if each[0] not in LOOPBACK] == []
    assert spark.conf.get("spark.ui.enabled") == "false"


def test_gateway_asks_for_its_token(spark: SparkSession) -> None:
    gateway = spark.sparkContext._gateway
    assert gateway is not None
    known = gateway.gateway_parameters
    assert len(known.auth_token) >= 32
    for token in (None, "x" * len(known.auth_token)):
        stranger = JavaGateway(
            gateway_parameters=GatewayParameters(port=known.port, auth_token=token)
        )
        with pytest.raises(Py4JError):
            stranger.jvm.java.lang.System.currentTimeMillis()
        stranger.close()
    assert spark.range(1).count() == 1


def test_passing_folders_are_ones_own(spark: SparkSession) -> None:
    folder = Path(spark.conf.get("spark.sql.warehouse.dir", "").removeprefix("file:"))  # type: ignore[union-attr]
    if folder.name.startswith("dlt_stub-warehouse-"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(folder.name) > len("warehouse")
