"""A cloudFiles source: which files are new, in which batches, and what their rows are."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructField, StructType

from dlt_stub.cloud_files.columns import (
    UNSTORABLE,
    check_types,
    is_unstorable,
    new_columns,
    parse_ddl,
    parse_hints,
    with_hints,
    with_inner_hints,
    with_rescued,
)
from dlt_stub.cloud_files.fixed_files import FIXED_COLUMNS, check_fixed
from dlt_stub.cloud_files.formats import FileFormat
from dlt_stub.cloud_files.globs import has_pattern
from dlt_stub.cloud_files.headers import Header
from dlt_stub.cloud_files.listing import list_files, local_path, stat_file
from dlt_stub.cloud_files.options import CloudFilesOptions, EvolutionMode, parse_options
from dlt_stub.cloud_files.partitions import (
    folder_values,
    inferred_partitions,
    keys_in,
    with_partitions,
)
from dlt_stub.cloud_files.records import FileBatch, FileEntry, FilePlan, Refused
from dlt_stub.cloud_files.shapes import Shapes
from dlt_stub.cloud_files.state import CloudFilesState
from dlt_stub.errors import NotEmulatedError, Origin, SourceError, UnknownFieldError

_SAMPLE_FILES: Final = 1000
_SAMPLE_BYTES: Final = 50 * 2**30
_SHOWN_LETTERS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFilesSource:
    """What ``spark.readStream.format("cloudFiles")...load(path)`` means, and nothing that changes.

    The order of use, by the flow that owns ``state``: ``current_schema``, ``probe`` once,
    ``plan``, then for each batch ``read``, write, ``state.commit``. A batch that the target has
    already (its transaction version is not below the batch's number) is committed without
    ``read``: its files may be gone by then, and nothing is missing.
    """

    path: str
    options: CloudFilesOptions
    schema: StructType | str | None
    origin: Origin | None

    @classmethod
    def parse(
        cls,
        *,
        options: Mapping[str, str],
        path: str,
        schema: StructType | str | None,
        origin: Origin | None,
    ) -> Self:
        """Return the source that the options describe, each option understood.

        ``path`` is a local path or any URI that Spark reads, not a ``/Volumes`` name.

        Raises:
            SourceError: an option is unknown or has a value Databricks refuses.
            NotEmulatedError: an option or a format is not emulated.
        """
        understood = parse_options(options, has_schema=schema is not None, origin=origin)
        return cls(path=path, options=understood, schema=schema, origin=origin)

    def current_schema(self, spark: SparkSession, state: CloudFilesState) -> StructType:
        """Return the columns the source has now, the rescued data column last.

        Without a schema given by the user they come from the schema log; the first time they are
        inferred (the headers of the first 1000 files or 50 GB, as STRING unless types are
        inferred, hinted or, in Parquet, the files' own) and written, the columns that stand in
        names of folders behind those of the files. Hints changed since then apply to the next
        version (assumed). Hints given by the side of a schema have no effect.

        Source: Databricks, "Configure schema inference and evolution in Auto Loader", checked
        2026-11-24. That an empty folder is no error when there are hints is assumed.

        Raises:
            SourceError: there is no schema, no hint and no file with a header; or a hint is wrong.
        """
        if self.schema is not None:
            given = self.schema
            columns = given if isinstance(given, StructType) else self._ddl(given, "the schema")
            check_types(columns, "the schema", self.origin, is_nested=self._is_nested)
            if self.options.format.is_fixed:
                named = self.options.partition_columns or ()
                own = [field for field in columns if field.name not in named]
                check_fixed(StructType(own), self.options.format, self.origin)
            nullable = StructType([StructField(field.name, field.dataType) for field in columns])
            return with_rescued(nullable, self.options.rescued_column)
        latest = state.latest_schema()
        if latest is None:
            latest = state.add_schema(self._inferred(spark), self.options.hints)
        elif latest.hints != self.options.hints:
            columns = with_hints(latest.schema, self._hints())
            latest = state.add_schema(columns, self.options.hints)
        return with_rescued(latest.schema, self.options.rescued_column)

    def probe(self, spark: SparkSession, state: CloudFilesState) -> DataFrame:
        """Return a stream over no files, on which Spark itself refuses what streams cannot do.

        Shape:
            The columns of ``current_schema``; streaming; ``_metadata`` can be selected.
        """
        schema = self.current_schema(spark, state)
        reader = spark.readStream.schema(schema).option("__globPaths__", "false")
        return reader.format(self._any_format).load(_empty_folder(state))

    def plan(self, spark: SparkSession, state: CloudFilesState, schema: StructType) -> FilePlan:
        """Return the batches to do, oldest first: those begun before, then those of new files.

        ``schema`` is what ``current_schema`` returned. A batch has its number and files in the
        ledger before it is returned. All files with rows in a batch can be read together (see
        ``Shapes.groups``); no batch has more files than ``maxFilesPerTrigger``, and none goes on
        after ``maxBytesPerTrigger`` is reached.

        A file that cannot be read gets no batch: it is among the plan's ``refused``, this time and
        the next, until it is replaced or gone. Auto Loader's stream fails at such a file before
        anything of its micro-batch is written (assumed); here nothing waits for it.

        Raises:
            UnknownFieldError: a new file holds new columns; the next schema has been written, no
                batch has been assigned, and the call succeeds when it is repeated.
            SourceError: the same, where the evolution mode is ``failOnNewColumns``.
        """
        refused = Refused()
        found = list_files(spark, self.path, self.options, self.origin, refused)
        if not state.is_started:
            state.start([] if self.options.include_existing_files else found)
        overwrites = self.options.allow_overwrites
        fresh = [file for file in found if state.is_new(file, allow_overwrites=overwrites)]
        headers = {
            keys: self._headers(spark, files, schema, refused)
            for keys, files in self._by_keys(fresh).items()
        }
        shapes = self._shapes(spark, schema)
        self._evolve(
            shapes, state, schema, dict(itertools.chain(*map(dict.items, headers.values())))
        )
        groups = itertools.chain.from_iterable(map(shapes.groups, headers.values()))
        state.assign([(key, chunk) for key, files in groups for chunk in self._chunks(files)])
        return FilePlan(batches=tuple(state.pending), refused=refused)

    def read(self, spark: SparkSession, state: CloudFilesState, batch: FileBatch) -> DataFrame:
        """Return the rows of one batch.

        A file that changed since it got its batch: with ``allowOverwrites`` its new content is a
        new file of a later batch, so this batch has no row of it; without, the path is all that
        counts, and its rows are read as they are now if its header is still the same.

        Shape:
            The columns of ``current_schema``; one row per data row of the files; batch.
            ``_metadata`` and ``input_file_name()`` can be selected.

        Raises:
            SourceError: a file is gone (and ``ignoreMissingFiles`` is not set), or has got
                another header without ``allowOverwrites``.
        """
        schema = self.current_schema(spark, state)
        paths = [] if batch.is_empty else self._present(spark, batch, schema)
        if not paths:
            reader = spark.read.schema(schema).option("__globPaths__", "false")
            return reader.format(self._any_format).load(_empty_folder(state))
        names = self._partitions(batch.files[0], schema)
        own = StructType([field for field in schema if field.name not in names])
        frame = self._shapes(spark, schema, names).rows(paths, batch.header, own)
        # Spark has listed the files once more: a version this batch was not given must not get in.
        if self.options.allow_overwrites and self._present(spark, batch, schema) != paths:
            return self.read(spark, state, batch)
        return with_partitions(frame, names, schema, self.path) if names else frame

    def _by_keys(self, files: Iterable[FileEntry]) -> dict[tuple[str, ...], list[FileEntry]]:
        """Return the files by the keys of the folders they lie in: one read takes one set."""
        groups: dict[tuple[str, ...], list[FileEntry]] = {}
        named = self.options.partition_columns
        for file in files:
            keys = () if named == () else tuple(sorted(folder_values(file, self.path)))
            groups.setdefault(keys, []).append(file)
        return groups

    def _headers(
        self,
        spark: SparkSession,
        files: Sequence[FileEntry],
        schema: StructType,
        refused: Refused,
    ) -> dict[FileEntry, Header]:
        names = self._partitions(files[0], schema)
        headers = self._shapes(spark, schema, names).headers(files, refused)
        self._check_apart(headers, names)
        return self._with_storable_names(headers, schema, refused)

    def _with_storable_names(
        self, headers: dict[FileEntry, Header], known: StructType, refused: Refused
    ) -> dict[FileEntry, Header]:
        """Return the files whose new columns a Delta table can hold; the others are refused.

        Where columns there are have such names already, the query or the table copes with them.

        Source: docs "Rename and drop columns with Delta Lake column mapping", 2026-11-24.
        """
        names = known.fieldNames()
        if self.options.evolution is not EvolutionMode.ADD_NEW_COLUMNS or not names:
            return headers
        if any(map(is_unstorable, names)):
            return headers
        kept = {}
        for file, header in headers.items():
            bad = [name for name in new_columns(header.columns, names) if is_unstorable(name)]
            if not bad:
                kept[file] = header
                continue
            others = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            refused.add(
                file.path,
                SourceError(
                    f"file {file.path!r} would bring the column name {_shortened(bad[0])!r}"
                    f"{others}, which no Delta table takes: it holds one of {UNSTORABLE!r}",
                    hint="correct its header or its delimiter; a name that the query changes may "
                    "stand in cloudFiles.schemaHints",
                ),
            )
        return kept

    def _partitions(self, file: FileEntry, schema: StructType) -> tuple[str, ...]:
        """Return the columns of ``schema`` that the folders of ``file`` give a value."""
        named = self.options.partition_columns
        names = [name for name in schema.fieldNames() if name != self.options.rescued_column]
        found = keys_in(file, self.path, names if named is None else named)
        if found and named is None and has_pattern(local_path(self.path) or self.path):
            raise NotEmulatedError(
                f"file {file.path!r} lies in a key=value folder below the pattern {self.path!r}: "
                "whether Auto Loader takes a column from it is not documented",
                origin=self.origin,
                hint="name the columns by the option cloudFiles.partitionColumns, or set it to ''",
            )
        return found

    def _check_apart(self, headers: Mapping[FileEntry, Header], names: Iterable[str]) -> None:
        wanted = {name.lower() for name in names}
        for file, header in headers.items():
            for column in header.columns:
                if column.lower() in wanted:
                    raise NotEmulatedError(
                        f"file {file.path!r} has a column {column!r}, and lies in a folder that "
                        "gives it a value too: which of them counts is not documented",
                        origin=self.origin,
                        hint="set the option cloudFiles.partitionColumns to '' to read the file's",
                    )

    @property
    def _is_nested(self) -> bool:
        return self.options.format is not FileFormat.CSV

    @property
    def _any_format(self) -> str:
        """A format of which no files are read: CSV cannot hold every column of the others."""
        return "parquet" if self._is_nested else "csv"

    def _present(self, spark: SparkSession, batch: FileBatch, schema: StructType) -> list[str]:
        paths = []
        refused = Refused()
        for file in batch.files:
            now = stat_file(spark, file.path)
            if now is None and not self.options.ignore_missing_files:
                refused.add(
                    file.path,
                    SourceError(
                        f"file {file.path!r} of batch {batch.number} is gone: it was found and "
                        "given its batch, but its rows were never committed",
                        hint="put it back to have it read; the next run does without it",
                    ),
                )
            if now is None or (file.is_empty and now.version == file.version):
                continue
            if now.version != file.version:
                if self.options.allow_overwrites:
                    continue
                if not self._has_header_still(spark, now, batch, schema, refused):
                    continue
            paths.append(file.path)
        refused.raise_if_any(self.origin)
        return paths

    def _has_header_still(
        self,
        spark: SparkSession,
        now: FileEntry,
        batch: FileBatch,
        schema: StructType,
        refused: Refused,
    ) -> bool:
        header = self._headers(spark, [now], schema, refused).get(now)
        if header is None or not header.has_rows:
            return False
        # Read by name: fewer keys are no change.
        is_keyed = self.options.format in (FileFormat.JSON, FileFormat.XML)
        if not (
            header.columns == batch.header or (is_keyed and {*header.columns} <= {*batch.header})
        ):
            refused.add(
                now.path,
                SourceError(
                    f"file {now.path!r} of batch {batch.number} was replaced before its rows were "
                    f"committed: its columns were {', '.join(batch.header)}, and are now "
                    f"{', '.join(header.columns)}",
                    hint="the next run reads it as it is then",
                ),
            )
            return False
        return True

    def _hints(self) -> StructType:
        hints = self.options.hints
        if not hints:
            return StructType()
        what = "cloudFiles.schemaHints"
        return parse_hints(hints, what, self.origin, is_nested=self._is_nested)

    def _ddl(self, text: str, what: str) -> StructType:
        return parse_ddl(text, what, self.origin, is_nested=self._is_nested)

    def _inferred(self, spark: SparkSession) -> StructType:
        hints = self._hints()
        refused = Refused()
        sample = self._sample(list_files(spark, self.path, self.options, self.origin, refused))
        partitions = inferred_partitions(spark, sample, self.path, self.options)
        if sample and partitions:
            self._partitions(sample[0], partitions)
        if self.options.format.is_fixed:
            return StructType([*FIXED_COLUMNS[self.options.format], *partitions])
        shapes = self._shapes(spark, None)
        headers = shapes.headers(sample, refused)
        headers = self._with_storable_names(headers, hints, refused)
        self._check_apart(headers, partitions.fieldNames())
        names = new_columns(
            list(itertools.chain.from_iterable(header.columns for header in headers.values())),
            self._reserved(),
        )
        if not names and not hints.fields:
            refused.raise_if_any(self.origin)
            raise SourceError(
                f"CF_EMPTY_DIR_FOR_SCHEMA_INFERENCE: the columns of {self.path!r} cannot be "
                "inferred, because no file there has a header",
                origin=self.origin,
                hint="land a file first, or name the columns by cloudFiles.schemaHints",
            )
        types = shapes.types(names, headers, hints)
        return with_hints(StructType([*types, *partitions]), hints)

    def _reserved(self) -> tuple[str, ...]:
        name = self.options.rescued_column
        return () if name is None else (name,)

    def _sample(self, files: Sequence[FileEntry]) -> list[FileEntry]:
        sizes = itertools.accumulate((file.size for file in files), initial=0)
        pairs = zip(files[:_SAMPLE_FILES], sizes, strict=False)
        return [file for file, before in pairs if before < _SAMPLE_BYTES]

    def _shapes(
        self, spark: SparkSession, schema: StructType | None, partitions: Sequence[str] = ()
    ) -> Shapes:
        positional = None
        if self.schema is not None and schema is not None:
            others = {self.options.rescued_column, *partitions}
            positional = tuple(name for name in schema.fieldNames() if name not in others)
        return Shapes(spark=spark, options=self.options, origin=self.origin, positional=positional)

    def _evolve(
        self,
        shapes: Shapes,
        state: CloudFilesState,
        schema: StructType,
        headers: Mapping[FileEntry, Header],
    ) -> None:
        mode = self.options.evolution
        larger, inside = shapes.growth(schema, headers)
        if mode in (EvolutionMode.NONE, EvolutionMode.RESCUE):
            return
        known = schema.fieldNames()
        evolving = {
            file: header for file, header in headers.items() if new_columns(header.columns, known)
        }
        if not evolving and not inside:
            return
        columns = itertools.chain.from_iterable(header.columns for header in evolving.values())
        names = new_columns(list(columns), known)
        message = _lacking([file.path for file in evolving], (*names, *inside))
        if mode is EvolutionMode.FAIL_ON_NEW_COLUMNS:
            raise SourceError(
                message,
                origin=self.origin,
                hint="add the columns to the schema or cloudFiles.schemaHints, or remove the file",
            )
        latest = state.latest_schema()
        kept = () if latest is None else latest.schema.fieldNames()
        before = StructType([field for field in larger if field.name in kept])
        added = shapes.types(names, evolving, self._hints())
        # The columns there were have had their hints; again they would undo what has grown.
        hinted = with_hints(added, self._hints()).fields[: len(added)]
        kept_fields = with_inner_hints(before, self._hints()).fields
        state.add_schema(StructType([*kept_fields, *hinted]), self.options.hints)
        raise UnknownFieldError(
            message,
            origin=self.origin,
            hint="nothing is lost: the new schema has been written, start the flow again",
        )

    def _chunks(self, files: Iterable[FileEntry]) -> Iterator[list[FileEntry]]:
        most_files, most_bytes = self.options.max_files, self.options.max_bytes
        chunk: list[FileEntry] = []
        size = 0
        for file in files:
            is_over = most_bytes is not None and size >= most_bytes
            if chunk and (len(chunk) >= most_files or is_over):
                yield chunk
                chunk, size = [], 0
            chunk.append(file)
            size += file.size
        if chunk:
            yield chunk


def _lacking(paths: Sequence[str], names: Sequence[str]) -> str:
    others = f" (and {len(paths) - 1} more files)" if len(paths) > 1 else ""
    who = f"file {paths[0]!r}{others} holds columns" if paths else "new files hold fields"
    return f"{who} that the schema lacks: {', '.join(names)}"


def _shortened(name: str) -> str:
    return name if len(name) <= _SHOWN_LETTERS else f"{name[:_SHOWN_LETTERS]}..."


def _empty_folder(state: CloudFilesState) -> str:
    folder = state.folder / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)
