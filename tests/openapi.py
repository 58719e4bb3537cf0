"""Judges an OpenAPI document, and the calls of a real daemon by it. The judges are openapi-spec-validator and
jsonschema; nothing of ours takes part.

    openapi.py DOCUMENT < CALLS

CALLS are JSON, one call a line: method, path (with its query), idempotent (whether it bore a key), request (its body
or null), status, type (the answer's media type or null), headers (the answer's, by their lower-case names), answer
(its body as text). It prints what does not hold, one fault a line, and fails if there is any.
"""

import copy
import json
import re
import sys
from collections import Counter
from urllib.parse import parse_qsl, urlsplit

import openapi_spec_validator
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT202012


def closed(node):
    """The document with every object closed, so that an answer's field that it does not describe is found."""
    if isinstance(node, dict):
        node = {name: closed(value) for name, value in node.items()}
        if node.get("type") == "object" and "properties" in node:
            node.setdefault("additionalProperties", False)
    elif isinstance(node, list):
        node = [closed(value) for value in node]
    return node


class Document:
    def __init__(self, document):
        self.document = document
        resource = DRAFT202012.create_resource(closed(copy.deepcopy(document)))
        self.registry = Registry().with_resource("urn:document", resource)
        # Where two paths take the same call in, the one with more of its own words is meant.
        words = lambda path: -len(re.sub(r"\{\w+\}", "", path))
        self.paths = [(path, self.matcher(path)) for path in sorted(document["paths"], key=words)]

    @staticmethod
    def matcher(path):
        """A parameter holds no slash, but for a part of the log, which is the rest of its path."""
        pattern = re.sub(r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[1] == 'part' else '[^/]+'})", re.escape(path))
        return re.compile(f"^{pattern}$")

    def operations(self):
        return [(method, path) for path, item in self.document["paths"].items() for method in item]

    def find(self, method, path):
        for template, matcher in self.paths:
            if (found := matcher.match(path)) and method in self.document["paths"][template]:
                return template, self.document["paths"][template][method], found.groupdict()
        return None, None, None

    def resolve(self, node, pointer):
        """The node, or the one that it refers to, and where that lies."""
        while "$ref" in node:
            pointer = node["$ref"].removeprefix("#")
            node = self.document
            for name in pointer.split("/")[1:]:
                node = node[name.replace("~1", "/").replace("~0", "~")]
        return node, pointer

    def faults(self, value, pointer):
        """What of the value the schema at the pointer does not allow."""
        schema = {"$ref": f"urn:document#{pointer}"}
        judge = Draft202012Validator(schema, registry=self.registry, format_checker=FormatChecker())
        return [f"{error.json_path}: {error.message[:300]}" for error in judge.iter_errors(value)]


def token(name):
    return name.replace("~", "~0").replace("/", "~1")


def judge_call(document, call):
    """What of a call is not as the document says; and the names of its operation and answer in the document."""
    url = urlsplit(call["path"])
    template, operation, values = document.find(call["method"], url.path)
    if operation is None:
        return ["the document has no such operation"], None, None
    here = f"/paths/{token(template)}/{call['method']}"
    faults = []

    # What a call that was done said has to be what the document lets one say.
    if call["status"] < 300:
        asked = dict(parse_qsl(url.query))
        for place, parameter in enumerate(operation.get("parameters", [])):
            parameter, pointer = document.resolve(parameter, f"{here}/parameters/{place}")
            name, kind = parameter["name"], parameter["in"]
            if kind == "header":
                if not call["idempotent"]:
                    faults.append(f"it was done without {name}")
                continue
            value = values[name] if kind == "path" else asked.pop(name, None)
            if value is None:
                if parameter["required"]:
                    faults.append(f"it was done without {name}")
                continue
            schema, _ = document.resolve(parameter["schema"], "")
            value = json.loads(value) if schema["type"] in ("integer", "boolean") else value
            faults += document.faults(value, f"{pointer}/schema")
        faults += [f"it was done with {name}" for name in asked]
        body = operation.get("requestBody")
        if call["request"] is not None:
            pointer = f"{here}/requestBody/content/application~1json/schema"
            if body is None:
                faults.append("it was done with a body")
            elif "application/json" in body["content"]:  # else any bytes will do
                faults += document.faults(call["request"], pointer)
        elif body is not None and body["required"]:
            faults.append("it was done without a body")

    status = str(call["status"])
    if status not in operation["responses"]:
        return faults + [f"the status {status} is not in the document"], (call["method"], template), status
    response, pointer = document.resolve(operation["responses"][status], f"{here}/responses/{status}")
    for name, header in response.get("headers", {}).items():
        said = call["headers"].get(name.lower())
        said = int(said) if said is not None and header["schema"]["type"] == "integer" else said
        faults += document.faults(said, f"{pointer}/headers/{token(name)}/schema")
    content = response.get("content")
    if content is None:
        faults += ["there is a body"] if call["answer"] else []
    elif call["type"] not in content:
        faults.append(f"the media type {call['type']} is not in the document")
    elif "schema" in content[call["type"]]:
        value = json.loads(call["answer"]) if call["type"].endswith("json") else call["answer"]
        faults += document.faults(value, f"{pointer}/content/{token(call['type'])}/schema")
    return faults, (call["method"], template), status


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        source = json.load(file)
    openapi_spec_validator.validate(source)
    document = Document(source)
    found = []

    for name, schema in source["components"]["schemas"].items():
        for example in schema.get("examples", []):
            found += [f"an example of {name}: {fault}" for fault in document.faults(example, f"/components/schemas/{name}")]

    answered = Counter()
    for line in sys.stdin:
        call = json.loads(line)
        faults, operation, status = judge_call(document, call)
        answered[operation, status] += 1
        found += [f"{call['method']} {call['path']} {call['status']}: {fault}" for fault in faults]

    for method, path in document.operations():
        statuses = [status for status in source["paths"][path][method]["responses"] if status != "default"]
        done = [status for status in statuses if status < "300"]
        # A stranger is refused, too, where the document says that a login is needed.
        for status in done + [status for status in statuses if status == "401"]:
            if not answered[(method, path), status]:
                found.append(f"{method} {path}: no call was answered by {status}")
    seen = {status for _, status in answered}
    for status in ("400", "401", "403", "404", "409", "413", "422", "429"):
        if status not in seen:
            found.append(f"no call was answered by {status}")

    print("\n".join(found) or f"{sum(answered.values())} calls are as the document says")
    sys.exit(bool(found))


main()
