"""Objects as a stream of YAML documents, for people who want kubectl, GitOps, or to read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def documents(objects: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yield each object as a document of a YAML stream."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
            # What is there twice is written twice: people read it.
            return True

    for one in objects:
        text = yaml.dump(one, Dumper=Dumper, sort_keys=False, width=110, allow_unicode=True)
        yield f"---\n{text}"
