from types import ModuleType

import dlt_stub.jobs


def test_the_public_face_is_exact_and_sorted() -> None:
    names = {
        name
        for name, value in vars(dlt_stub.jobs).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert set(dlt_stub.jobs.__all__) == names
    assert dlt_stub.jobs.__all__ == sorted(dlt_stub.jobs.__all__)
