"""Each folder in ``broken`` is a fault put into a copy of ``base``, and what must be said."""

import shutil
from pathlib import Path

import pytest
import yaml

from dlt_stub.bundle import BundleFaultsError, load_bundle, read_bundle

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in (HERE / "broken").iterdir() if folder.is_dir())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return Path(shutil.copytree(HERE / "base", tmp_path / "bundle"))


@pytest.mark.parametrize("case", CASES)
def test_broken_bundle_gets_expected_diagnostics(case: str, base: Path) -> None:
    folder = HERE / "broken" / case
    spec = yaml.safe_load((folder / "case.yml").read_text())
    for patch in spec["patches"]:
        file = base / patch["file"]
        text = file.read_text()
        assert text.count(patch["old"]) == 1, f"the patch of {patch['file']} no longer fits"
        file.write_text(text.replace(patch["old"], patch["new"]))

    reading = read_bundle(
        base,
        target=spec.get("target"),
        variables=spec.get("variables", {}),
        user_name="alex@example.com",
    )

    assert reading.bundle is None
    found = "".join(f"{diagnostic}\n" for diagnostic in reading.diagnostics)
    assert found == (folder / "expected.txt").read_text()


def test_all_faults_are_raised_together(base: Path) -> None:
    pipeline = base / "resources" / "orders.pipeline.yml"
    pipeline.write_text(pipeline.read_text().replace("serverless:", "servreless:"))
    (base / "pipelines" / "tasks" / "archive_files.py").unlink()

    with pytest.raises(BundleFaultsError, match="2 errors") as caught:
        load_bundle(base)

    assert [d.origin.path for d in caught.value.diagnostics] == [
        "resources/order_ingest.job.yml",
        "resources/orders.pipeline.yml",
    ]
    assert "did you mean 'serverless'?" in str(caught.value)


def test_computed_field_is_suggested(base: Path) -> None:
    pipeline = base / "resources" / "orders.pipeline.yml"
    pipeline.write_text(pipeline.read_text().replace("volume_path", "volumepath"))
    (diagnostic,) = read_bundle(base).diagnostics
    assert diagnostic.hint == "did you mean ${resources.volumes.landing.volume_path}?"
