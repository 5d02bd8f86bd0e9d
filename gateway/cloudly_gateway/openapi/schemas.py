"""JSON schemas of the contract's messages and enums, by the rules that their fields carry."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

Schema = dict[str, Any]

# What each format demands of a text that is not empty; kit/cloudly_kit/validation.py is the judge.
_PATTERNS = {
    "id": "[a-z2-7]{20}",
    "name": "[a-z]([a-z0-9-]{0,38}[a-z0-9])?",
    "tag": "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}",
    "digest": "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}",
    "env_name": "[A-Za-z_][A-Za-z0-9_]{0,254}",
    "username": "[A-Za-z0-9][A-Za-z0-9._@-]{0,63}",
    "url": "https?://.+",
}
_SCALARS: Mapping[str, Schema] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "double": {"type": "number", "format": "double"},
    "float": {"type": "number", "format": "float"},
    "int32": {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1},
    "uint32": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    # ProtoJSON writes 64-bit numbers as texts: JavaScript's numbers end at 2^53.
    "int64": {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,19}$"},
    "uint64": {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,20}$"},
}
_WELL_KNOWN: Mapping[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+([.][0-9]+)?s$"},
    "google.protobuf.FieldMask": {"type": "string", "description": "Field names separated by commas."},
    "google.protobuf.Struct": {"type": "object", "additionalProperties": True},
}


class Schemas:
    """Collects the schemas that something refers to."""

    def __init__(self, contract: Mapping[str, Any]) -> None:
        self._messages: Mapping[str, Any] = contract["messages"]
        self._enums: Mapping[str, Any] = contract["enums"]
        short = Counter(name.rpartition(".")[2] for name in (*self._messages, *self._enums))
        self._short = {
            name: name.rpartition(".")[2] if short[name.rpartition(".")[2]] == 1 else name
            for name in (*self._messages, *self._enums)
        }
        self.components: dict[str, Schema] = {}

    def message(self, full_name: str, *, patch: bool = False, elsewhere: Collection[str] = ()) -> Schema:
        """A reference to a message; with `patch`, as the body of an update, where nothing is required.

        The fields named by `elsewhere` come from the path, so the body is not asked for them.
        """
        if full_name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[full_name])
        name = self._short[full_name] + ("Patch" if patch else "")
        if name not in self.components:
            # Taken before its fields are looked at: messages may contain one another.
            schema = self.components[name] = {"type": "object"}
            described = self._messages[full_name]
            if described["comment"]:
                schema["description"] = described["comment"]
            schema["properties"] = {f["json"]: self.field(f) for f in described["fields"] if f["name"] not in elsewhere}
            asked = [f for f in described["fields"] if f["name"] not in elsewhere]
            required = [f["json"] for f in asked if "required" in f.get("behavior", ())]
            if required and not patch:
                schema["required"] = required
            schema["additionalProperties"] = False
        return {"$ref": f"#/components/schemas/{name}"}

    def fields(self, full_name: str) -> Mapping[str, Any]:
        """The fields of a message by proto name."""
        return {field["name"]: field for field in self._messages[full_name]["fields"]}

    def field(self, field: Mapping[str, Any]) -> Schema:
        """The schema of one field."""
        if "map" in field:
            schema: Schema = {"type": "object", "additionalProperties": self._type(field["map"]["value"])}
            if "max_items" in field:
                schema["maxProperties"] = field["max_items"]
            if "key_format" in field:
                schema["propertyNames"] = {"pattern": f"^({_PATTERNS[field['key_format']]})$"}
        elif field.get("repeated"):
            schema = {"type": "array", "items": self._single(field)}
            if "max_items" in field:
                schema["maxItems"] = field["max_items"]
        else:
            schema = self._single(field)
            if "required" in field.get("behavior", ()) and schema.get("type") == "string":
                schema.setdefault("minLength", 1)
        return self._annotated(schema, field)

    def _annotated(self, schema: Schema, field: Mapping[str, Any]) -> Schema:
        behavior = field.get("behavior", ())
        comment = " ".join(part for part in (field["comment"], _IMMUTABLE * ("immutable" in behavior)) if part)
        if comment:
            schema["description"] = comment
        if "output_only" in behavior:
            schema["readOnly"] = True
        if field.get("sensitive"):
            schema["x-sensitive"] = True
        return schema

    def _single(self, field: Mapping[str, Any]) -> Schema:
        schema = self._type(field["type"])
        if schema.get("type") == "string" and field["type"] == "string":
            if "max_length" in field:
                schema["maxLength"] = field["max_length"]
            if "min_length" in field:
                schema["minLength"] = field["min_length"]
            if field.get("format") in _PATTERNS:
                schema["pattern"] = f"^({_PATTERNS[field['format']]})?$"
        if schema.get("type") in {"integer", "number"}:
            for bound in ("minimum", "maximum"):
                if bound in field:
                    schema[bound] = field[bound] if schema["type"] == "number" else int(field[bound])
        return schema

    def _type(self, name: str) -> Schema:
        if name in _SCALARS:
            return dict(_SCALARS[name])
        if name in self._enums:
            return self._enum(name)
        return self.message(name)

    def _enum(self, full_name: str) -> Schema:
        name = self._short[full_name]
        if name not in self.components:
            described = self._enums[full_name]
            schema: Schema = {"type": "string", "enum": [value["name"] for value in described["values"]]}
            told = [f"{value['name']}: {value['comment']}" for value in described["values"] if value["comment"]]
            text = "\n".join(part for part in (described["comment"], *told) if part)
            if text:
                schema["description"] = text
            self.components[name] = schema
        return {"$ref": f"#/components/schemas/{name}"}


_IMMUTABLE = "Fixed when it is made."
