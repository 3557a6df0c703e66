"""Whatever the schema: right values are valid and fill their columns, broken rules are found."""

import json
from typing import Any

import jsonschema
import pyarrow as pa
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st
from schemas_generated import Made, schemas
from test_label_schemas import refused

from batcher.core.labels.cell_values import cell
from batcher.core.labels.labels import Labels
from batcher.core.labels.schema.api_schema import adapt
from batcher.core.labels.schema.formats import FORMAT_CHECKER
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.validation import Invalid, Valid
from batcher.core.labels.value_in_answer import value_in
from batcher.outputs.label_arrays import arrow_type
from batcher.simulator.model.schema_value import value_for
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.validation.output_schema import check_schemas

often = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def labels_of(made: Made) -> Labels:
    """Prepare a schema; those with too many unions are left out."""
    try:
        return Labels.of(made.schema)
    except SchemaError as error:
        assert "and the API takes" in str(error)  # noqa: PT017
        assume(False)
        raise


def spelt(value: Any) -> Any:
    """A value as its text reads."""
    return value_in(json.dumps(value))


def fill(value: dict[str, Any], labels: Labels) -> None:
    """Fill the columns of one row, as Arrow does."""
    for name, column in labels.columns.items():
        one, kind = cell(value.get(name), column), arrow_type(column)
        plain = pa.string() if pa.types.is_dictionary(kind) else kind
        assert pa.array([one], plain).null_count == (one is None)


@often
@given(schemas(), st.data())
def test_a_right_value_is_valid_as_it_is_and_fills_its_columns(made: Made, data: Any) -> None:
    """And Arrow takes its cells as they are."""
    labels = labels_of(made)
    value = spelt(data.draw(made.right))
    found = labels.judge.judge(value)
    assert found == Valid(value)
    fill(value, labels)


@often
@given(schemas(), st.data())
def test_a_value_that_breaks_what_was_stripped_is_invalid(made: Made, data: Any) -> None:
    """And the rule stands among those that are left to us."""
    assume(made.wrong is not None)
    labels = labels_of(made)
    value = spelt(data.draw(made.wrong))
    assert isinstance(labels.judge.judge(value), Invalid)
    assert labels.enforced()


@often
@given(schemas(), st.data())
def test_the_adapted_schema_takes_what_the_users_does(made: Made, data: Any) -> None:
    """Keys that it does not name aside, of which these values have none."""
    labels = labels_of(made)
    value = data.draw(made.right)
    checker = jsonschema.Draft202012Validator(labels.adapted.schema, format_checker=FORMAT_CHECKER)
    assert checker.is_valid(value)


@often
@given(schemas())
def test_the_api_takes_every_adapted_schema(made: Made) -> None:
    """By our rules and the simulator's; adapting again changes nothing."""
    labels = labels_of(made)
    assert refused(labels) == []
    check_schemas([("schema", dict(labels.adapted.schema))])
    again = adapt(labels.adapted.schema)
    assert json.dumps(again.schema) == json.dumps(labels.adapted.schema)
    assert again.left_to_us == ()


@often
@given(schemas(), st.integers(0, 2**32))
def test_no_rule_is_dropped_in_silence(made: Made, seed: int) -> None:
    """An answer by the adapted schema that is invalid breaks a rule that was said to be ours."""
    labels = labels_of(made)
    answer = value_for(dict(labels.adapted.schema), SeededRandom(seed))
    found = labels.judge.judge(answer)
    event(type(found).__name__)
    if isinstance(found, Invalid):
        assert labels.adapted.left_to_us
    else:
        fill(found.value, labels)


@often
@given(schemas(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner),
    max_leaves=8,
))  # fmt: skip
def test_any_answer_is_judged_and_the_valid_ones_have_cells(made: Made, value: Any) -> None:
    """Never an error, whatever was answered; and the columns do not depend on it."""
    labels = labels_of(made)
    found = labels.judge.judge({"a": value, "b": value})
    if isinstance(found, Valid):
        fill(found.value, labels)
