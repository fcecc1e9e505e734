import pytest

from dlt_stub.bundle.diagnostics import Report
from dlt_stub.bundle.yaml_nodes import map_of, node_at, read_yaml, to_plain
from dlt_stub.errors import Origin


def read(text: str) -> tuple[object, list[str]]:
    report = Report()
    node = read_yaml(text, "x.yml", report)
    return to_plain(node) if node else None, [str(d) for d in report.diagnostics]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("2024-01-31", "2024-01-31"),
        ("12:30", "12:30"),
        ("0012", 10),
        ("0089", 89.0),
        ("1-2", "1-2"),
        ("true", True),
        ("60", 60),
        ("0x1F", 31),
        ("1_000", 1000),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ('"60"', "60"),
    ],
)
def test_plain_scalars_read_as_the_cli_does(written: str, value: object) -> None:
    assert read(f"key: {written}") == ({"key": value}, [])


def test_every_node_knows_its_place() -> None:
    node = read_yaml("a:\n  - b: 1\n    c: 2\n", "x.yml", Report())
    inner = map_of(node_at(node, ("a", 0)))
    assert inner.key_origin("c") == Origin(path="x.yml", line=3, column=5)
    assert node_at(node, ("a", 0, "c")).origin == Origin(path="x.yml", line=3, column=8)  # type: ignore[union-attr]  # it is there


def test_merge_keys_fill_in_defaults() -> None:
    text = "base: &b {x: 1, y: 1}\nmore: &m {y: 2, z: 2}\nuse: {<<: [*b, *m], x: 9}\n"
    value, faults = read(text)
    assert isinstance(value, dict)
    assert value["use"] == {"x": 9, "y": 1, "z": 2}
    assert faults == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\na: 2\n", "x.yml:2:1: error: key 'a' is defined twice in one mapping"),
        ("1: a\n", "x.yml:1:1: error: a key must be a string"),
        (
            "a: !!python/name:os.system\n",
            (
                "x.yml:1:4: error: tag 'tag:yaml.org,2002:python/name:os.system' "
                "is not allowed in a bundle"
            ),
        ),
        ("a: &a [*a]\n", "x.yml:1:4: error: an alias contains itself"),
        ("<<: 3\n", "x.yml:1:5: error: '<<' takes a mapping or a list of mappings"),
        (
            "a: 1\n---\nb: 2\n",
            (
                "x.yml:2:1: error: not valid YAML: expected a single document in the stream, "
                "but found another document"
            ),
        ),
        ("a: \x00\n", "x.yml: error: not valid YAML: unacceptable character"),
    ],
)
def test_bad_yaml_is_told_with_place(text: str, fault: str) -> None:
    _, faults = read(text)
    assert len(faults) == 1
    assert faults[0].startswith(fault)
