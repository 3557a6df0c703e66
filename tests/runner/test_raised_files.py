"""The soft limit of open files is really raised, not only reported."""

import json
import subprocess
import sys

import pytest

SCRIPT = """
import json, resource, sys
from batcher.runner.open_files import make_room_for
soft, hard, connections = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
limit = make_room_for(connections)
print(json.dumps([resource.getrlimit(resource.RLIMIT_NOFILE)[0], limit.connections]))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "connections"), [(256, 4096, 1000), (256, 300, 1000), (128, 2048, 100)]
)
def test_the_soft_limit_is_raised(soft: int, hard: int, connections: int) -> None:
    """As far as it is needed and the hard limit allows; all connections fit into it."""
    arguments = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(connections)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    raised, allowed = json.loads(done.stdout)
    assert soft < raised <= hard
    assert allowed < raised
    assert allowed == connections or raised == hard
