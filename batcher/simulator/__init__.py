"""A Messages server on loopback that behaves like the real one, and fails on demand.

It imports nothing else from batcher, so that client and server cannot share one wrong reading of
the API.
"""

from batcher.simulator.billing.ledger import Entry, Ledger
from batcher.simulator.faults.fault import Fault
from batcher.simulator.server import Simulator, run_in_thread
from batcher.simulator.settings import Settings, load

__all__ = ["Entry", "Fault", "Ledger", "Settings", "Simulator", "load", "run_in_thread"]
