"""Renders our kustomizations: the part of kustomize that they use, and an error for anything else.

What comes out is what `kubectl apply -k` applies, but for the hash in the names of ConfigMaps.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]
KNOWN = {
    *("apiVersion", "kind", "namespace", "resources"),
    *("images", "configMapGenerator", "patches"),
}


def render(directory: Path) -> list[Resource]:
    """Return the resources of a kustomization and of all that it builds on."""
    layer = yaml.safe_load((directory / "kustomization.yaml").read_text())
    unknown = layer.keys() - KNOWN
    assert not unknown, f"{directory}: the renderer does not know {unknown}"
    resources: list[Resource] = []
    for name in layer["resources"]:
        path = directory / name
        if path.is_dir():
            resources += render(path)
        else:
            resources += yaml.safe_load_all(path.read_text())
    for made in layer.get("configMapGenerator", []):
        _generate(resources, directory, made)
    for patch in layer.get("patches", []):
        _patch(resources, patch)
    for image in layer.get("images", []):
        _retag(resources, image)
    for resource in resources:
        if "namespace" in layer:
            resource["metadata"]["namespace"] = layer["namespace"]
    return copy.deepcopy(resources)


def one(resources: list[Resource], kind: str, name: str) -> Resource:
    """Return the resource of a kind and name, of which there is one."""
    found = [
        each for each in resources if each["kind"] == kind and each["metadata"]["name"] == name
    ]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def pods(resources: list[Resource]) -> Iterator[tuple[str, Resource]]:
    """Yield the name and the pod's specification of whatever makes pods."""
    for resource in resources:
        template = resource.get("spec", {}).get("template")
        if template is not None:
            yield resource["metadata"]["name"], template["spec"]


def containers(resources: list[Resource]) -> Iterator[Resource]:
    """Yield all containers."""
    for _, pod in pods(resources):
        yield from pod["containers"]


def _generate(resources: list[Resource], directory: Path, made: Resource) -> None:
    data = {}
    for file in made.get("files", []):
        data[Path(file).name] = (directory / file).read_text()
    for literal in made.get("literals", []):
        name, _, value = literal.partition("=")
        data[name] = value
    if made.get("behavior", "create") == "merge":
        one(resources, "ConfigMap", made["name"])["data"].update(data)
        return
    metadata = {"name": made["name"]}
    resources.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _patch(resources: list[Resource], patch: Resource) -> None:
    """Apply a JSON patch (RFC 6902), of which we use `test` and `replace`."""
    target = one(resources, patch["target"]["kind"], patch["target"]["name"])
    for step in yaml.safe_load(patch["patch"]):
        *path, last = step["path"].strip("/").split("/")
        place: Any = target
        for key in path:
            place = place[int(key)] if isinstance(place, list) else place[key]
        last = int(last) if isinstance(place, list) else last
        if step["op"] == "test":
            assert place[last] == step["value"], step
        else:
            assert step["op"] == "replace", step
            place[last]
            place[last] = step["value"]


def _retag(resources: list[Resource], image: Resource) -> None:
    used = [container for container in containers(resources) if container["image"] == image["name"]]
    assert used, f"nothing uses the image {image['name']}"
    for container in used:
        container["image"] = f"{image.get('newName', image['name'])}:{image['newTag']}"
