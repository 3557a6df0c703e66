"""For any schema, right values are valid and fill their columns, and wrong ones are invalid."""

import json
from typing import Any

import jsonschema
import pyarrow as pa
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from schema_strategies import GeneratedSchema, schemas
from test_label_schemas import refused

from batcher.core.labels.cell_values import cell
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.api_schema import adapt
from batcher.core.labels.schema.format_checker import FORMAT_CHECKER
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.value_in_answer import value_in
from batcher.core.labels.verdict import Invalid, Valid
from batcher.outputs.label_arrays import arrow_type
from batcher.simulator.model.schema_value import value_for
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.validation.output_schema import check_schemas

often = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def labels_of(case: GeneratedSchema) -> Labels:
    """Prepare a schema; skip those with too many unions."""
    try:
        return Labels.of(case.schema)
    except SchemaError as error:
        assert "and the API accepts" in str(error)  # noqa: PT017
        assume(False)
        raise


def parsed(value: Any) -> Any:
    """Write a value as JSON and parse it."""
    return value_in(json.dumps(value))


def fill(value: dict[str, Any], labels: Labels) -> None:
    """Fill the columns of one row with Arrow."""
    for name, column in labels.columns.items():
        content, kind = cell(value.get(name), column), arrow_type(column)
        plain = pa.string() if pa.types.is_dictionary(kind) else kind
        assert pa.array([content], plain).null_count == (content is None)


@often
@given(schemas(), st.data())
def test_a_right_value_is_valid_and_fills_its_columns(case: GeneratedSchema, data: Any) -> None:
    """It stays unchanged, and Arrow accepts its cells."""
    labels = labels_of(case)
    value = parsed(data.draw(case.right))
    assert labels.validator.validate(value) == Valid(value)
    fill(value, labels)


@often
@given(schemas(), st.data())
def test_a_value_that_violates_a_removed_rule_is_invalid(case: GeneratedSchema, data: Any) -> None:
    """The rule is listed as checked by batcher."""
    assume(case.wrong is not None)
    labels = labels_of(case)
    value = parsed(data.draw(case.wrong))
    assert isinstance(labels.validator.validate(value), Invalid)
    assert labels.checked_by_batcher()


@often
@given(schemas(), st.data())
def test_the_adapted_schema_allows_what_the_users_does(case: GeneratedSchema, data: Any) -> None:
    """Except for keys that it does not name; these values have none."""
    labels = labels_of(case)
    value = data.draw(case.right)
    checker = jsonschema.Draft202012Validator(labels.adapted.schema, format_checker=FORMAT_CHECKER)
    assert checker.is_valid(value)


@often
@given(schemas())
def test_the_api_accepts_every_adapted_schema(case: GeneratedSchema) -> None:
    """Batcher's and the simulator's rules accept it; adapting it again changes nothing."""
    labels = labels_of(case)
    assert refused(labels) == []
    check_schemas([("schema", dict(labels.adapted.schema))])
    again = adapt(labels.adapted.schema)
    assert json.dumps(again.schema) == json.dumps(labels.adapted.schema)
    assert again.local_rules == ()


@often
@given(schemas(), st.integers(0, 2**32))
def test_every_removed_rule_is_listed(case: GeneratedSchema, seed: int) -> None:
    """An answer that fits the adapted schema and is invalid violates a listed rule."""
    labels = labels_of(case)
    answer = value_for(dict(labels.adapted.schema), SeededRandom(seed))
    result = labels.validator.validate(answer)
    event(type(result).__name__)
    if isinstance(result, Invalid):
        assert labels.adapted.local_rules
    else:
        fill(result.value, labels)


@often
@given(schemas(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner),
    max_leaves=8,
))  # fmt: skip
def test_any_answer_is_validated_and_valid_ones_have_cells(
    case: GeneratedSchema, value: Any
) -> None:
    """No answer raises an error, and the columns do not depend on it."""
    labels = labels_of(case)
    result = labels.validator.validate({"a": value, "b": value})
    if isinstance(result, Valid):
        fill(result.value, labels)
