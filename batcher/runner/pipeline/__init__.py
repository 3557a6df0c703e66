"""One run, step by step: plan, consent, send, finish. The only place that wires everything."""
