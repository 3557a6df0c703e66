"""The columns of the output, known once the input has been read."""

from batcher.errors import ConfigurationError
from batcher.outputs.result_columns import Layout
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan


def layout_of(context: JobContext, plan: Plan) -> Layout:
    """Return the output's columns; raise ConfigurationError when two have the same name."""
    output = context.job.output
    labels = context.loaded.labels
    layout = Layout(
        plan.schema,
        output.prefix,
        keeps_text=output.keep_text,
        labels=labels,
        samples=context.samples,
    )
    if doubled := layout.label_clashes():
        raise ConfigurationError(
            f"the label {doubled[0]!r} has the name of another output column (letter case is "
            "ignored)",
            hint="rename it in the schema or fields of [labels], or leave the input column out "
            "with output.keep",
        )
    clashes = layout.clashes()
    if clashes:
        raise ConfigurationError(
            f"the input has a column {clashes[0]!r}, which is the name of a bookkeeping column",
            hint='set output.prefix to something else, such as "batcher_", or leave the column out '
            "of output.keep",
        )
    return layout
