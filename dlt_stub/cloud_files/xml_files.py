"""Finds the columns of XML files, and reads and rescues them; what would be lost is refused."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import Column, DataFrame, DataFrameReader, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, StringType, StructField, StructType

from dlt_stub.cloud_files.columns import Match
from dlt_stub.cloud_files.headers import Header
from dlt_stub.cloud_files.nested import is_scalar
from dlt_stub.cloud_files.options import CloudFilesOptions
from dlt_stub.cloud_files.records import FileEntry
from dlt_stub.errors import NotEmulatedError, Origin, SourceError
from dlt_stub.paths import decode_file_path

_COLUMN: Final = "__dlt_xml_"
_ABSENT: Final = "__dlt_absent"
_CORRUPT: Final = "__dlt_corrupt_record"
_FILE_PATH: Final = "_file_path"
_VALUE: Final = "value"
_OF_FILES: Final = ("charset", "encoding", "rowTag")


def read_elements(
    spark: SparkSession,
    files: Sequence[FileEntry],
    options: CloudFilesOptions,
    origin: Origin | None,
) -> dict[FileEntry, Header]:
    """Return, for each file, the columns its rows have, and whether there is a row.

    Two Spark jobs read all files: one finds the columns and types of them together, one says which
    file has which. Types are Spark's own, or STRING in each place if they are not inferred.

    Raises:
        SourceError: a file is not XML.
    """
    headers = dict.fromkeys(files, Header(columns=(), has_rows=False))
    paths = [file.path for file in files if file.size > 0]
    if not paths:
        return headers
    exact = _case_sensitive(spark)
    reader = _reader(exact, options).option("inferSchema", options.infer_column_types)
    found = reader.option("columnNameOfCorruptRecord", _CORRUPT).load(paths).schema
    types = StructType([field for field in found if field.name != _CORRUPT])
    texts = StructType([StructField(name, StringType()) for name in (*types.fieldNames(), _ABSENT)])
    rows = _reader(exact, options).schema(texts).option("mode", "FAILFAST").load(paths)
    frame = rows.toDF(*(f"{_COLUMN}{n}" for n in range(len(texts))))
    has = [F.max(F.col(f"{_COLUMN}{n}").isNotNull()).alias(f"{n}") for n in range(len(types))]
    try:
        each = frame.groupBy(F.col("_metadata.file_path").alias("path")).agg(F.count("*"), *has)
        by_path = {decode_file_path(row["path"]): row for row in each.collect()}
    except (Py4JJavaError, PySparkException) as error:
        raise SourceError(
            f"a file is not XML: {_first_line(error)}",
            origin=origin,
            hint="correct or remove the file, or keep it out by the option pathGlobFilter",
        ) from error
    for file in files:
        row = by_path.get(decode_file_path(file.path))
        if row is not None:
            own = [field for n, field in enumerate(types) if row[f"{n}"]]
            headers[file] = Header(
                columns=tuple(field.name for field in own), has_rows=True, types=StructType(own)
            )
    return headers


def check_elements(
    headers: Iterable[Header],
    schema: StructType,
    options: CloudFilesOptions,
    origin: Origin | None,
) -> None:
    """Refuse elements that would lose something when they are read as ``schema`` says.

    Raises:
        NotEmulatedError: an element comes several times or has elements inside, and its column, or
            the rescued data column, has room for one text only.
    """
    known = {field.name.lower(): field.dataType for field in schema}
    for types in {id(header.types): header.types for header in headers}.values():
        for field in types or ():
            column = known.get(field.name.lower())
            if column is None:
                is_lost = options.rescued_column is not None and not is_scalar(field.dataType)
            elif isinstance(field.dataType, ArrayType):
                is_lost = not isinstance(column, ArrayType)
            else:
                is_lost = not is_scalar(field.dataType) and column != field.dataType
                is_lost = is_lost and is_scalar(column) and not isinstance(column, StringType)
            if is_lost:
                raise NotEmulatedError(
                    f"element {field.name!r} is {field.dataType.simpleString()} in new files, and "
                    f"column {field.name!r} is "
                    f"{column.simpleString() if column else 'not in the schema'}: what then is "
                    "rescued is not documented",
                    origin=origin,
                    hint="set cloudFiles.inferColumnTypes to true before the first update, or give "
                    f"the type by cloudFiles.schemaHints: '{field.name} "
                    f"{field.dataType.simpleString()}'",
                )


def read_xml(
    spark: SparkSession,
    *,
    paths: Sequence[str],
    match: Match,
    schema: StructType,
    options: CloudFilesOptions,
) -> DataFrame:
    """Return the rows of ``paths``, whose elements are ``match.header`` or fewer.

    Elements without a column are rescued as text, and so are values that do not fit the type of
    their column: Spark's reader would not say which of a row's values it lost, so each is read as
    text and then parsed alone, by Spark's own parser. A value inside a column with fields that
    does not fit, and a file that is not XML, fail the read.

    Shape:
        ``schema``'s columns, in its order; columns the files lack are NULL. One row per ``rowTag``
        element; batch. ``_metadata`` can be selected.
    """
    is_rescuing = options.rescued_column is not None
    pairs = [
        (name, target)
        for name, target in zip(match.header, match.targets, strict=True)
        if target or is_rescuing
    ]
    kinds = [schema[target].dataType if target else StringType() for _, target in pairs]
    is_parsed = [
        is_rescuing and is_scalar(kind) and not isinstance(kind, StringType) for kind in kinds
    ]
    fields = [
        StructField(name, StringType() if parsed else kind)
        for (name, _), kind, parsed in zip(pairs, kinds, is_parsed, strict=True)
    ]
    wanted = StructType([*fields, StructField(_ABSENT, StringType())])
    rows = (
        _reader(spark, options)
        .schema(wanted)
        .options(mode="FAILFAST", ignoreMissingFiles=options.ignore_missing_files)
        .load(list(paths))
        .toDF(*(f"{_COLUMN}{n}" for n in range(len(pairs))), _ABSENT)
    )
    values, lost = {}, {}
    for n, ((name, target), kind) in enumerate(zip(pairs, kinds, strict=True)):
        text = F.col(f"{_COLUMN}{n}")
        if target is None:
            lost[name] = text
        elif is_parsed[n]:
            parsed = _parsed(text, kind, options)
            values[target] = parsed[_VALUE]
            lost[name] = F.when(parsed[_CORRUPT].isNotNull(), text)
        else:
            values[target] = text
    return rows.select(
        *(
            _rescued(lost).alias(field.name)
            if field.name == options.rescued_column
            else values.get(field.name, F.lit(None).cast(field.dataType)).alias(field.name)
            for field in schema
        )
    )


def _parsed(text: Column, kind: DataType, options: CloudFilesOptions) -> Column:
    """Return a struct of ``text`` as ``kind``, and of a text where it is none."""
    schema = StructType([StructField(_VALUE, kind), StructField(_CORRUPT, StringType())])
    settings = {name: value for name, value in options.reader.items() if name not in _OF_FILES}
    settings |= {"rowTag": "r", "columnNameOfCorruptRecord": _CORRUPT, "mode": "PERMISSIVE"}
    escaped = text
    for letter, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        escaped = F.replace(escaped, F.lit(letter), F.lit(entity))
    record = F.concat(F.lit(f"<r><{_VALUE}>"), escaped, F.lit(f"</{_VALUE}></r>"))
    return F.from_xml(record, schema, settings)


def _rescued(lost: Mapping[str, Column]) -> Column:
    if not lost:
        return F.lit(None).cast("string")
    path = F.col("_metadata.file_path").alias(_FILE_PATH)
    whole = F.to_json(F.struct(*(value.alias(name) for name, value in lost.items()), path))
    return F.when(F.coalesce(*lost.values()).isNotNull(), whole)


def _reader(spark: SparkSession, options: CloudFilesOptions) -> DataFrameReader:
    reader = spark.read.format("xml").options(**options.reader)
    return reader.options(recursiveFileLookup=True, __globPaths__=False)


def _case_sensitive(spark: SparkSession) -> SparkSession:
    """Return a session like ``spark`` whose readers tell ``n`` from ``N``, which XML does."""
    session = SparkSession(spark.sparkContext, spark._jsparkSession.cloneSession())
    session.conf.set("spark.sql.caseSensitive", "true")
    return session


def _first_line(error: Exception) -> str:
    java = getattr(error, "java_exception", None)
    return str(error if java is None else java.getMessage()).splitlines()[0]
