import pytest

from dlt_stub.cloud_files import CloudFilesSource, EvolutionMode
from dlt_stub.errors import NotEmulatedError, Origin, SourceError

CSV = {"cloudFiles.format": "csv"}
ORIGIN = Origin(path="pipelines/stage.py", line=7)


def parse(schema: str | None = None, **options: str) -> CloudFilesSource:
    named = {name.replace("__", "."): value for name, value in options.items()}
    return CloudFilesSource.parse(options=CSV | named, path="/in", schema=schema, origin=ORIGIN)


def test_option_names_ignore_their_case() -> None:
    source = parse(CLOUDFILES__allowoverwrites="TRUE", HEADER="false", Sep="|")
    assert source.options.allow_overwrites
    assert not source.options.has_header
    assert dict(source.options.reader) == {"sep": "|"}


def test_inferring_source_assumes_a_header() -> None:
    options = parse().options
    assert options.has_header
    assert options.evolution is EvolutionMode.ADD_NEW_COLUMNS
    assert options.rescued_column == "_rescued_data"
    assert options.max_files == 1000


def test_given_schema_changes_the_defaults() -> None:
    options = parse(schema="id INT").options
    assert not options.has_header
    assert options.evolution is EvolutionMode.NONE
    assert options.rescued_column is None


def test_unknown_option_names_the_nearest() -> None:
    with pytest.raises(
        SourceError, match=r"stage.py:7: unknown option 'cloudFiles.allowOverwrite'"
    ):
        parse(cloudFiles__allowOverwrite="true")
    with pytest.raises(SourceError, match=r"did you mean 'cloudFiles.schemaHints'"):
        parse(schemaHints="id INT")


def test_infer_schema_has_no_effect() -> None:
    options = parse(inferSchema="true").options
    assert not options.infer_column_types
    assert options.notes == (
        "option inferSchema has no effect on Auto Loader: use cloudFiles.inferColumnTypes",
    )
    assert parse(cloudFiles__format="json", inferSchema="true").options.notes == options.notes
    with pytest.raises(SourceError, match=r"'inferSchema' does not go with .* 'parquet'"):
        parse(cloudFiles__format="parquet", inferSchema="true")


def test_unknown_option_passes_when_unvalidated() -> None:
    assert parse(cloudFiles__novelty="1", cloudFiles__validateOptions="false").path == "/in"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cloudFiles.format", "avro"),
        ("cloudFiles.maxFileAge", "14 days"),
        ("cloudFiles.schemaEvolutionMode", "addNewColumnsWithTypeWidening"),
        ("badRecordsPath", "/bad"),
        ("ignoreCorruptFiles", "true"),
        ("mode", "DROPMALFORMED"),
        ("singleVariantColumn", "v"),
        ("columnNameOfCorruptRecord", "bad"),
    ],
)
def test_what_changes_rows_is_refused(name: str, value: str) -> None:
    with pytest.raises(NotEmulatedError, match=r"is not emulated: .+"):
        CloudFilesSource.parse(options=CSV | {name: value}, path="/in", schema=None, origin=ORIGIN)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cloudFiles.allowOverwrites", "yes", "neither true nor false"),
        ("cloudFiles.maxFilesPerTrigger", "0", "not a whole number above 0"),
        ("cloudFiles.maxBytesPerTrigger", "lots", "is not a size"),
        ("cloudFiles.schemaEvolutionMode", "rescued", "did you mean 'rescue'"),
        ("cloudFiles.cleanSource", "ARCHIVE", "not one of OFF, DELETE, MOVE"),
        ("cloudFiles.format", "cvs", "did you mean 'csv'"),
    ],
)
def test_wrong_value_says_what_is_allowed(name: str, value: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        CloudFilesSource.parse(options=CSV | {name: value}, path="/in", schema=None, origin=ORIGIN)


def test_missing_format_is_said() -> None:
    with pytest.raises(SourceError, match=r"needs the option 'cloudFiles.format'"):
        CloudFilesSource.parse(options={}, path="/in", schema=None, origin=None)


def test_new_columns_need_no_schema() -> None:
    with pytest.raises(SourceError, match="does not go with a schema"):
        parse(schema="id INT", cloudFiles__schemaEvolutionMode="addNewColumns")


def test_byte_sizes_are_powers_of_two() -> None:
    sizes = {"10g": 10 * 2**30, "512MB": 512 * 2**20, "7": 7, "3 kb": 3 * 2**10}
    for text, size in sizes.items():
        assert parse(cloudFiles__maxBytesPerTrigger=text).options.max_bytes == size
