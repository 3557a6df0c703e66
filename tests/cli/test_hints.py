"""Every hint names what exists, and every stop of a run has a test that follows its hint."""

import ast
import re
from pathlib import Path

import click
import pytest
from hint_texts import advice, hints, modules

from batcher.cli.main import COMMANDS, root
from batcher.core.job import Job

TESTS = Path(__file__).parents[1]
ALL = sorted(advice().union(*(hints(tree) for _, tree in modules())))
# The stops of the delivery in batches belong to its own tests.
HALTS = set().union(
    *(hints(tree, only_halts=True) for name, tree in modules() if "/batches/" not in name)
)
DAMAGES = set().union(*(hints(tree) for name, tree in modules() if name.startswith("store/")))

NOT_FOLLOWED = (
    "the answer is recorded; no budget is safe",  # only with a bound that is wrong
    "make the file readable",  # root can read every file
    "free some memory",
)
# The beginning of each hint with which a run stops, and the test that does what it says.
FOLLOWED = {
    "see why with batcher failures; to go on": "test_a_share_of_failed_rows_is_a_ceiling",
    ", or wait: a run that starts after": "test_every_night_spends_its_budget",
    "; add --release-unknown if": "test_every_hint_leads_out",
    "run the same command again later": "test_the_next_command_after_a_stop_finishes_the_job",
    "see why with batcher failures and remove": "test_an_account_in_trouble_stops_the_run",
    "see why with batcher failures; {}": "test_the_first_twenty_answers_that_are_no_good_stop",
    "the saved plan has a lower cap": "test_the_cap_of_a_plan_is_raised_by_another_plan",
    "the server forbids a retry now": "test_the_next_command_after_a_stop_finishes_the_job",
    "to send them, raise budget": "test_every_hint_leads_out",
    "run the same command again then": "test_the_next_command_after_a_stop_finishes_the_job",
    "the answers are recorded": "test_every_hint_leads_out",
    "make room, then run": "test_no_space_for_the_output",
    "run the same command again to go on": "test_a_deadline_stops_like_a_signal",
    "restore the missing file": "test_a_truncated_log_can_be_restored",
    "{}, {}": "test_lost_records_are_counted_and_the_copy_can_be_used",
    "restore the file; to start again": "test_a_missing_checkpoint_is_not_created_again",
    "check that the disk has free space": "test_a_sample_of_failing_calls_breaks_no_promise",
    "raise the number of open files": "test_a_connection_without_a_file_was_never_sent",
    "the file is damaged": "test_lost_records_are_counted_and_the_copy_can_be_used",
    "free at least": "test_a_disk_that_fills_while_sending",
    "make the folder writable": "test_places_that_cannot_be_used_are_refused",
    "update it first": "test_an_older_schema_is_no_damage",
    "use the batcher that wrote it": "test_a_newer_schema_stays_unchanged",
}


@pytest.mark.parametrize("hint", ALL)
def test_a_hint_names_what_exists(hint: str) -> None:
    """Commands, their options and keys of the job file; it is no sentence with a full stop."""
    context = click.Context(root)
    every = {name: root.get_command(context, name) for name in COMMANDS}
    options = {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in every.items()
        if command is not None
    }
    for name in re.findall(r"\bbatcher ([a-z]+)(?= JOB| --|$| \{\}| simulate|:)", hint):
        assert name in COMMANDS
    known = set().union(*options.values(), {"--help"})
    for option in re.findall(r"(?<![\w-])--[a-z-]+", hint):
        assert option in known
    for section, key in re.findall(r"(?<![\w./])([a-z]+)\.([a-z_]+)\b(?!\.)", hint):
        if section in Job.model_fields:
            assert key in Job.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
    assert not re.search(r"[^.]\.$", hint)


def test_every_stop_has_a_test_that_follows_its_hint() -> None:
    """A new hint needs one; an old one that no stop has any more is removed here."""
    exist = " ".join(
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    )
    stops = {hint for hint in HALTS | DAMAGES if not hint.startswith(NOT_FOLLOWED)}
    assert [hint for hint in stops if not hint.startswith(tuple(FOLLOWED))] == []
    assert [hint for hint in FOLLOWED if not any(stop.startswith(hint) for stop in stops)] == []
    assert [name for name in FOLLOWED.values() if name not in exist] == []
