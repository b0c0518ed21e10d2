"""Text that can't be stored as it came: NUL characters and fields over their size cap."""

from __future__ import annotations

from typing import Any


def mend(value: Any, cap: int, path: str, flagged: list[str]) -> Any:
    """The JSON value with strings cut at ``cap`` characters and NUL replaced; the paths touched go to ``flagged``.

    Postgres stores no NUL in text, so it becomes U+FFFD. Vectors and other base64 (``embeddings``) are left alone.

    >>> paths = []
    >>> mend({"a": ["abcdef", "x\\0"]}, 4, "", paths), paths
    ({'a': ['abcd', 'x\ufffd']}, ['.a[0]', '.a[1]'])
    """
    match value:
        case str():
            kept = value[:cap].replace("\0", "\ufffd")
            if kept != value:
                flagged.append(path)
            return kept
        case list():
            return [mend(item, cap, f"{path}[{i}]", flagged) for i, item in enumerate(value)]
        case dict():
            kept_by_name = {}
            for key, item in value.items():
                name = key.replace("\0", "\ufffd")
                if name != key:
                    flagged.append(f"{path}.{name}")
                is_vectors = (path, name) == ("", "embeddings")
                kept_by_name[name] = item if is_vectors else mend(item, cap, f"{path}.{name}", flagged)
            return kept_by_name
        case _:
            return value
