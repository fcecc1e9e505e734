"""What new files look like, whatever their format: columns, types, and which go together."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import DataType, StringType, StructField, StructType

from dlt_stub.cloud_files.columns import Match, infer_types, match_columns, widest
from dlt_stub.cloud_files.fixed_files import read_fixed, read_orc
from dlt_stub.cloud_files.formats import FileFormat
from dlt_stub.cloud_files.headers import Header, HeaderReader
from dlt_stub.cloud_files.json_files import infer_json, read_json, read_keys
from dlt_stub.cloud_files.listing import stat_file
from dlt_stub.cloud_files.nested import grown, has_fields, is_scalar, unknown_fields
from dlt_stub.cloud_files.options import CloudFilesOptions, EvolutionMode
from dlt_stub.cloud_files.packed import check_whole
from dlt_stub.cloud_files.parquet_files import merge_types, read_footers, read_parquet
from dlt_stub.cloud_files.reading import read_csv
from dlt_stub.cloud_files.records import FileEntry, Refused
from dlt_stub.cloud_files.xml_files import check_elements, read_elements, read_xml
from dlt_stub.errors import NotEmulatedError, Origin, SourceError

Group = tuple[tuple[str, ...], list[FileEntry]]
_FILE_PATH: Final = "_file_path"
# Keys of JSON records and columns of Parquet files that Spark or Delta reads as something else.
_UNREADABLE: Final = ("", "_metadata")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Reads headers, types and rows of one source's files by the rules of its format.

    ``positional`` names the columns of CSV files that have no header.
    """

    spark: SparkSession
    options: CloudFilesOptions
    origin: Origin | None
    positional: tuple[str, ...] | None = None

    def headers(self, files: Iterable[FileEntry], refused: Refused) -> dict[FileEntry, Header]:
        """Return the columns of each file; a file gone since it was listed is left out.

        CSV and Parquet files that cannot be read, CSV files whose columns cannot be told apart and
        compressed files that are not whole are left out too, and added to ``refused``.

        Raises:
            SourceError: a file of another format cannot be read.
            NotEmulatedError: two keys of a file differ in case only, or a name cannot be read.
        """
        files = [file for file in files if self._is_whole(file, refused)]
        match self.options.format:
            case FileFormat.CSV:
                found = self._csv_headers(files, refused)
            case FileFormat.JSON if self.needs_keys:
                present = [file for file in files if stat_file(self.spark, file.path) is not None]
                found = read_keys(self.spark, present, self.options)
            case FileFormat.XML if self.needs_keys:
                present = [file for file in files if stat_file(self.spark, file.path) is not None]
                found = read_elements(self.spark, present, self.options, self.origin)
            case FileFormat.PARQUET:
                found = read_footers(self.spark, files, self.options, self.origin, refused)
            case _:  # Spark's readers skip a file of no bytes, whatever its format
                found = {file: Header(columns=(), has_rows=file.size > 0) for file in files}
        for file, header in list(found.items()):
            try:
                self._check(file, header)
            except SourceError as error:
                refused.add(file.path, error)
                del found[file]
        return found

    @property
    def needs_keys(self) -> bool:
        """Whether keys of JSON and XML records matter, or the schema alone says what to read."""
        options = self.options
        is_evolving = options.evolution is not EvolutionMode.NONE
        return is_evolving or options.rescued_column is not None or not options.is_case_sensitive

    def types(
        self, names: Iterable[str], headers: Mapping[FileEntry, Header], hints: StructType
    ) -> StructType:
        """Return the columns ``names`` with the types that the files of ``headers`` give them."""
        names = list(names)
        types: Mapping[str, DataType] = {}
        if self.options.format is FileFormat.PARQUET:
            types = merge_types(names, headers.values(), hints, self.origin)
        elif self.options.format is FileFormat.XML:
            types = self._xml_types(names, headers, hints)
        elif self.options.infer_column_types and self.options.format is FileFormat.JSON:
            types = self._json_types(headers)
        elif self.options.infer_column_types:
            types = infer_types(self.spark, _paths_by_columns(headers), self.options)
        return StructType(
            [StructField(name, types.get(name.lower(), StringType())) for name in names]
        )

    def growth(
        self, schema: StructType, headers: Mapping[FileEntry, Header]
    ) -> tuple[StructType, tuple[str, ...]]:
        """Return ``schema`` with the fields its columns lack inside, and the names of those fields.

        Raises:
            NotEmulatedError: there are such fields, or they differ in case only, and they would
                have to be rescued.
        """
        if self.options.format is FileFormat.XML:
            # A column the schema lacks is about to be added, unless it is to be rescued.
            is_adding = self.options.evolution is EvolutionMode.ADD_NEW_COLUMNS
            checked = replace(self.options, rescued_column=None) if is_adding else self.options
            check_elements(headers.values(), schema, checked, self.origin)
        if not any(has_fields(field.dataType) for field in schema):
            return schema, ()
        names: list[str] = []
        is_evolving = self.options.evolution in (
            EvolutionMode.ADD_NEW_COLUMNS,
            EvolutionMode.FAIL_ON_NEW_COLUMNS,
        )
        for found in self._typed_shapes(headers):
            pairs = _common(schema, found)
            for known, new in pairs:
                inside = unknown_fields(known.dataType, new.dataType, known.name, exact=False)
                names += [name for name in inside if name not in names]
                others = unknown_fields(known.dataType, new.dataType, known.name, exact=True)
                self._check_inside(
                    [name for name in others if not is_evolving or name not in names]
                )
            larger = {known.name: grown(known.dataType, new.dataType) for known, new in pairs}
            schema = StructType(
                [StructField(f.name, larger.get(f.name, f.dataType)) for f in schema]
            )
        return (schema, tuple(names)) if is_evolving else (schema, ())

    def groups(self, headers: Mapping[FileEntry, Header]) -> Iterator[Group]:
        """Give the files that one read can take together, and the columns they have.

        CSV files share a header and Parquet files a schema; JSON and XML files share no two keys
        that differ in case only. Files without rows go by themselves: their batches need no
        Spark job.
        """
        marked = [
            (replace(file, is_empty=not header.has_rows), header)
            for file, header in headers.items()
        ]
        if self.options.format in (FileFormat.JSON, FileFormat.XML):
            yield from _case_free([(file, header) for file, header in marked if header.has_rows])
            marked = [(file, header) for file, header in marked if not header.has_rows]
        by_shape: dict[tuple[tuple[str, ...], str], list[FileEntry]] = {}
        for file, header in marked:
            types = header.types.json() if header.types is not None else ""
            shape = (header.columns, types) if header.has_rows else ((), "no rows")
            by_shape.setdefault(shape, []).append(file)
        for (columns, _), members in by_shape.items():
            yield columns, members

    def rows(self, paths: Sequence[str], columns: tuple[str, ...], schema: StructType) -> DataFrame:
        """Return the rows of files that one read can take together.

        Shape:
            ``schema``'s columns, in its order; one row per row of the files; batch.

        Raises:
            SourceError: Parquet files are no longer what they were when they got their batch, or
                hold a type that cannot be read as the schema's.
        """
        match self.options.format:
            case FileFormat.CSV:
                fills = match_columns(columns, schema, self.options)
                return read_csv(
                    self.spark, paths=paths, match=fills, schema=schema, options=self.options
                )
            case FileFormat.JSON:
                fills = self._keyed_match(paths, columns, schema)
                return read_json(
                    self.spark, paths=paths, match=fills, schema=schema, options=self.options
                )
            case FileFormat.XML:
                fills = self._keyed_match(paths, columns, schema)
                return read_xml(
                    self.spark, paths=paths, match=fills, schema=schema, options=self.options
                )
            case FileFormat.PARQUET:
                types = self._one_type(paths)
                return read_parquet(
                    self.spark,
                    paths=paths,
                    match=match_columns(tuple(types.fieldNames()), schema, self.options),
                    types=types,
                    schema=schema,
                    options=self.options,
                    origin=self.origin,
                )
            case FileFormat.ORC:
                return read_orc(self.spark, paths=paths, schema=schema, options=self.options)
            case _:
                return read_fixed(self.spark, paths=paths, options=self.options)

    def _is_whole(self, file: FileEntry, refused: Refused) -> bool:
        if not (self.options.format.is_text or self.options.format is FileFormat.TEXT):
            return True
        try:
            check_whole(self.spark, file, self.origin)
        except SourceError as error:
            if stat_file(self.spark, file.path) is not None:  # else gone since it was listed
                refused.add(file.path, error)
            return False
        return True

    def _csv_headers(self, files: Iterable[FileEntry], refused: Refused) -> dict[FileEntry, Header]:
        reader = HeaderReader(
            self.spark, self.options, positional=self.positional, origin=self.origin
        )
        headers = {}
        for file in files:
            try:
                headers[file] = reader.read(file)
            except SourceError as error:
                if stat_file(self.spark, file.path) is not None:  # else gone since it was listed
                    refused.add(file.path, error)
        return headers

    def _check(self, file: FileEntry, header: Header) -> None:
        if self.options.rescued_column is not None and _FILE_PATH in header.columns:
            raise SourceError(
                f"file {file.path!r} has a column named {_FILE_PATH!r}, which is the rescued "
                "data column's own key for the file's path",
                origin=self.origin,
                hint="give the column another name",
            )
        if self.options.format is FileFormat.CSV:
            return
        for name in _UNREADABLE:
            if name in header.columns:
                raise NotEmulatedError(
                    f"file {file.path!r} has a column named {name!r}: that name is not emulated",
                    origin=self.origin,
                    hint="give the column another name",
                )
        if len({name.lower() for name in header.columns}) < len(header.columns):
            names = sorted(header.columns, key=str.lower)
            twice = next((a, b) for a, b in itertools.pairwise(names) if a.lower() == b.lower())
            raise NotEmulatedError(
                f"file {file.path!r} has columns {twice[0]!r} and {twice[1]!r}, which differ in "
                "case only: that is not emulated within one file",
                origin=self.origin,
                hint="spell the column one way in each file",
            )

    def _check_inside(self, names: Sequence[str]) -> None:
        if names and self.options.rescued_column is not None:
            raise NotEmulatedError(
                f"files hold fields inside columns that the schema lacks: {', '.join(names)}; "
                "rescuing them is not emulated",
                origin=self.origin,
                hint="add the fields to the schema or cloudFiles.schemaHints, or read the whole "
                "column as STRING",
            )

    def _json_types(self, headers: Mapping[FileEntry, Header]) -> dict[str, DataType]:
        types: dict[str, DataType] = {}
        for found in self._inferred_json(headers):
            for field in found:
                key, kind = field.name.lower(), field.dataType
                types[key] = widest(types[key], kind) if key in types else kind
        return types

    def _xml_types(
        self, names: Sequence[str], headers: Mapping[FileEntry, Header], hints: StructType
    ) -> dict[str, DataType]:
        fields = [field for header in headers.values() for field in header.types or ()]
        types = {field.name.lower(): field.dataType for field in fields}
        hinted = {name.lower() for name in hints.fieldNames()}
        for name in names if not self.options.infer_column_types else ():
            kind = types[name.lower()]
            if name.lower() not in hinted and not is_scalar(kind):
                raise NotEmulatedError(
                    f"element {name!r} is {kind.simpleString()}: what its column is where types "
                    "are not inferred is not documented",
                    origin=self.origin,
                    hint="set cloudFiles.inferColumnTypes to true, or give its type by "
                    f"cloudFiles.schemaHints: '{name} {kind.simpleString()}'",
                )
        return types

    def _inferred_json(self, headers: Mapping[FileEntry, Header]) -> Iterator[StructType]:
        filled = [(file, header) for file, header in headers.items() if header.has_rows]
        for _, files in _case_free(filled):
            yield infer_json(self.spark, [file.path for file in files], self.options)

    def _typed_shapes(self, headers: Mapping[FileEntry, Header]) -> Iterable[StructType]:
        if self.options.format is FileFormat.JSON:
            return self._inferred_json(headers) if self.needs_keys else ()
        return [header.types for header in headers.values() if header.types is not None]

    def _keyed_match(
        self, paths: Sequence[str], columns: tuple[str, ...], schema: StructType
    ) -> Match:
        if not self.needs_keys:
            names = tuple(schema.fieldNames())
            return Match(header=names, targets=names)
        if not columns:  # the batch was planned under options for which keys did not matter
            files = (stat_file(self.spark, path) for path in paths)
            refused = Refused()
            headers = self.headers((file for file in files if file is not None), refused)
            refused.raise_if_any(self.origin)
            keys = itertools.chain.from_iterable(header.columns for header in headers.values())
            columns = tuple(sorted(set(keys)))
        return match_columns(columns, schema, self.options)

    def _one_type(self, paths: Sequence[str]) -> StructType:
        files = [file for path in paths if (file := stat_file(self.spark, path)) is not None]
        refused = Refused()
        headers = read_footers(self.spark, files, self.options, self.origin, refused)
        refused.raise_if_any(self.origin)
        found = [header.types for header in headers.values() if header.types is not None]
        if any(types != found[0] for types in found):
            raise SourceError(
                f"files of one batch, {paths[0]!r} among them, no longer have one schema: one was "
                "replaced before its rows were committed",
                origin=self.origin,
                hint="put the old file back, or set the option cloudFiles.allowOverwrites to true",
            )
        return found[0] if found else StructType()


def _common(schema: StructType, found: StructType) -> list[tuple[StructField, StructField]]:
    by_name = {field.name.lower(): field for field in found}
    return [
        (field, by_name[field.name.lower()]) for field in schema if field.name.lower() in by_name
    ]


def _case_free(files: Sequence[tuple[FileEntry, Header]]) -> Iterator[Group]:
    spellings: list[dict[str, str]] = []
    members: list[list[FileEntry]] = []
    for file, header in files:
        own = {name.lower(): name for name in header.columns}
        fits = (n for n, known in enumerate(spellings) if (known | own) == (own | known))
        if (place := next(fits, None)) is None:
            place = len(spellings)
            spellings.append({})
            members.append([])
        spellings[place].update(own)
        members[place].append(file)
    for known, group in zip(spellings, members, strict=True):
        yield tuple(sorted(known.values())), group


def _paths_by_columns(headers: Mapping[FileEntry, Header]) -> dict[tuple[str, ...], list[str]]:
    paths: dict[tuple[str, ...], list[str]] = {}
    for file, header in headers.items():
        if header.has_rows:
            paths.setdefault(header.columns, []).append(file.path)
    return paths
