"""The run as RO-Crate metadata: profile Workflow Run Crate 0.5 on RO-Crate 1.1, written with the ``rocrate`` package.

The workflow is the Snakefile; each stage run is an action: what it executed, read and wrote, when, where and with
which parameters. Who started it no receipt says: the agent is the program on its host. Files that are not in the crate
are entities of their own with their SHA-256, whose id begins with ``#``.
"""

from __future__ import annotations

import warnings
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from rocrate.model import ContextEntity, File
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from prunemark.disk.files import canonical_json, sha256
from prunemark.evidence.run import Run
from prunemark.formats.journal import Journal
from prunemark.formats.receipt import RECEIPT

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
# RO-Crate 1.1 is older than schema.org's sha256; environment is a term of the profile.
TERMS = {"sha256": "http://schema.org/sha256", "environment": "https://w3id.org/ro/terms/workflow-run#environment"}
FORMATS = {
    ".json": "application/json",
    ".csv": "text/csv",
    ".html": "text/html",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".py": "text/x-python",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
}
LICENCE = "https://spdx.org/licenses/Apache-2.0"


class Graph:
    """The entities of a crate, each made once however often it is named."""

    def __init__(self, run: Run, files: dict[str, bytes]) -> None:
        self.run, self.crate = run, ROCrate(version="1.1")
        # The package searches all subcrates for an id that it does not know: seconds, where there are thousands.
        self.known: dict[str, Entity] = {}
        self.crate.metadata.extra_terms = TERMS
        for name, content in sorted(files.items()):
            if name != "Snakefile":
                made = self.crate.add(File(self.crate, dest_path=name, properties=described(name, content)))
                self.known[made.id] = made
        for name, digest in sorted(run.referenced.items()):
            kind = "SoftwareSourceCode" if name.startswith("src/") else "CreativeWork"
            facts = {"@type": kind, "name": name, "sha256": digest}
            size = {"contentSize": str(run.sizes[name])} if name in run.sizes else {}
            self.once(f"#{quote(name)}", {**facts, **size, "description": "not in the crate"})
        self.workflow = self.crate.add_workflow(
            dest_path="Snakefile", main=True, lang="snakemake", properties=described("Snakefile", files["Snakefile"])
        )
        self.workflow["name"] = "prunemark"

    def once(self, identifier: str, properties: dict[str, Any]) -> Entity:
        """The entity of this id, made now if there is none."""
        if identifier not in self.known:
            self.known[identifier] = self.crate.add(ContextEntity(self.crate, identifier, properties))
        return self.known[identifier]

    def file(self, name: str) -> Entity:
        """A file in the crate, one referred to, or a source that lies outside the repository."""
        return self.known.get(quote(name)) or self.once(f"#{quote(name)}", {"@type": "CreativeWork", "name": name})

    def value(self, kind: str, name: str, value: Any) -> Entity:
        text = value if isinstance(value, str) else canonical_json(value).strip()
        identifier = f"#{kind}-{sha256(canonical_json([name, value]).encode())[:16]}"
        return self.once(identifier, {"@type": "PropertyValue", "name": name, "value": text})


def described(name: str, content: bytes) -> dict[str, Any]:
    """A file's hash and size, and its kind where its name tells."""
    suffix = name[name.rfind(".") :] if "." in name else ""
    kind = {"encodingFormat": FORMATS[suffix]} if suffix in FORMATS else {}
    code: dict[str, Any] = {"@type": ["File", "SoftwareSourceCode"]} if name.startswith("src/") else {}
    about = {"about": {"@id": "./"}} if name == "README.md" else {}
    return {"name": name, "sha256": sha256(content), "contentSize": str(len(content)), **kind, **code, **about}


def metadata(run: Run, files: dict[str, bytes]) -> bytes:
    """The content of ro-crate-metadata.json for a run whose crate holds ``files``; equal runs give equal bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        graph = Graph(run, files)
        actions = [stage_action(graph, folder) for folder in run.receipts]
        describe_root(graph, [whole_run(graph), *actions])
        return canonical_json(graph.crate.metadata.generate()).encode()


def stage_action(graph: Graph, folder: str) -> Entity:
    receipt = graph.run.receipts[folder]
    objects = [graph.file(name) for name in receipt.inputs]
    objects += [graph.value("parameter", *pair) for pair in sorted(receipt.parameters.items())]
    properties = {
        "@type": "CreateAction",
        "name": folder,
        "description": receipt.command,
        "instrument": graph.file(f"src/prunemark/stages/{receipt.stage}.py"),
        "object": objects,
        "result": [graph.file(name) for name in (*receipt.outputs, f"{folder}/{RECEIPT}")],
        "actionStatus": "http://schema.org/CompletedActionStatus",
        **circumstances(graph, graph.run.journals.get(folder)),
    }
    return graph.once(f"#{quote(folder)}", properties)


def circumstances(graph: Graph, entry: Journal | None) -> dict[str, Any]:
    """When, where and with what, as a journal entry states it; nothing where there is none."""
    if entry is None:
        return {}
    start = datetime.fromisoformat(entry.started)
    names = ("python", "host", "cpu", "cpu_capability", "cores", "commit", "code_differs_from_commit")
    facts = {name: getattr(entry, name) for name in names} | entry.versions
    agent = {"@type": "SoftwareApplication", "name": f"prunemark on host {entry.host}"}
    return {
        "startTime": start.isoformat(timespec="milliseconds"),
        "endTime": (start + timedelta(seconds=entry.seconds)).isoformat(timespec="milliseconds"),
        "agent": graph.once(f"#host-{quote(entry.host)}", agent),
        "environment": [graph.value("environment", name, value) for name, value in sorted(facts.items())],
    }


def whole_run(graph: Graph) -> Entity:
    """The workflow's own run: from params.yaml and the raw data's sources to the report."""
    receipts = graph.run.receipts.values()
    sources = [name for receipt in receipts if receipt.stage == "fetch" for name in receipt.inputs]
    reports = [name for receipt in receipts if receipt.stage == "report" for name in receipt.outputs]
    times = [circumstances(graph, entry) for entry in graph.run.journals.values()]
    properties: dict[str, Any] = {
        "@type": "CreateAction",
        "name": "the whole run",
        "description": "prunemark build",
        "instrument": graph.workflow,
        "object": [graph.file(name) for name in ("params.yaml", *dict.fromkeys(sources))],
        "result": [graph.file(name) for name in reports],
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    if times:
        properties["startTime"] = min(time["startTime"] for time in times)
        properties["endTime"] = max(time["endTime"] for time in times)
        properties["agent"] = times[0]["agent"]
    return graph.once("#run", properties)


def describe_root(graph: Graph, actions: list[Entity]) -> None:
    root, crate = graph.crate.root_dataset, graph.crate
    crate.name = "A run of prunemark"
    crate.description = "What pruning does to an image encoder's accuracy and watermarks; every number by its receipts."
    crate.datePublished = actions[0].get("endTime", "1970-01-01T00:00:00.000+00:00")
    terms = {"@type": "CreativeWork", "name": "Apache License 2.0", "description": "of the code; images have the terms"
             " that dataset.json states"}  # fmt: skip
    root["license"] = graph.once(LICENCE, terms)
    root["conformsTo"] = [
        graph.once(uri, {"@type": "CreativeWork", "name": name, "version": uri.rsplit("/", 1)[1]})
        for uri, name in PROFILES.items()
    ]
    root["mentions"] = actions
    if graph.run.commits:
        root["version"] = ", ".join(graph.run.commits)
        for entity in crate.get_by_type("SoftwareSourceCode"):
            entity["version"] = root["version"]
