import dlt_stub.bundle as bundle


def test_public_names_are_sorted_and_real() -> None:
    assert bundle.__all__ == sorted(bundle.__all__)
    for name in bundle.__all__:
        assert getattr(bundle, name).__module__.startswith("dlt_stub.bundle.")
