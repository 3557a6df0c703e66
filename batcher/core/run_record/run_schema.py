"""The JSON Schema of run.json, generated from the classes that write it (``make schemas``)."""

import ast
import inspect
import json
import textwrap
from dataclasses import is_dataclass
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DataclassSchema

from batcher.core.run_record.run_summary import RunSummary


def run_schema() -> dict[str, Any]:
    """Return the schema; the same code always gives the same schema.

    The text below a field becomes its description. Every key is required: run.json has them all.
    """
    adapter = TypeAdapter(RunSummary)
    schema = adapter.json_schema(mode="serialization", schema_generator=_DocumentedSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batcher run.json",
        **_without_titles(schema),
    }


def schema_text() -> str:
    """Return the schema as the text of ``schemas/run.schema.json``."""
    return json.dumps(run_schema(), indent=2, ensure_ascii=False) + "\n"


class _DocumentedSchema(GenerateJsonSchema):
    def dataclass_schema(self, schema: DataclassSchema) -> JsonSchemaValue:
        documented = super().dataclass_schema(schema)
        properties = documented["properties"]
        for name, text in _field_texts(schema["cls"]).items():
            properties[name]["description"] = text
        for value in properties.values():
            value.pop("default", None)
        documented["required"] = list(properties)
        return documented


def _field_texts(kind: type[Any]) -> dict[str, str]:
    """Return the text below each field of a dataclass and of its bases."""
    texts = {}
    for base in reversed(kind.__mro__):
        if not is_dataclass(base):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)  # noqa: S101 - the source of a class
        for statement, following in zip(tree.body, tree.body[1:], strict=False):
            match statement, following:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                    value=ast.Constant(value=str(text))
                ):
                    texts[name] = inspect.cleandoc(text)
    return texts


def _without_titles(schema: Any) -> Any:
    """Remove the titles that repeat the names of keys and classes."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _without_titles(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }
