"""How others estimate the same jobs, each in a few lines."""

from collections.abc import Callable, Mapping

from jobs import SimulatedJob

Peer = Callable[[SimulatedJob], float]


def first_rows(job: SimulatedJob) -> float:
    """The prompts of the first hundred rows, times the number of rows, with no output but a guess.

    autolabel (0.0.26) does so: the mean of the first examples' prompt tokens, and the most tokens
    that an answer may have. The tokens are the real ones here, which is kinder than its tokenizer.
    """
    first = job.rows[:100]
    prompt = sum(row.prompt for row in first) / len(first)
    return len(job.rows) * _usd(job, prompt, job.max_tokens)


def four_characters(job: SimulatedJob) -> float:
    """Four characters a token, and answers as long as a quarter of max_tokens.

    What the rule of thumb knows of the prompts: 3.4 or 2.5 characters a token is what is published.
    """
    prompt = sum(row.predicted for row in job.rows) / len(job.rows) * 2.5 / 4
    return len(job.rows) * _usd(job, prompt, job.max_tokens / 4)


def longest_answers(job: SimulatedJob) -> float:
    """The offline rule's prompts, and max_tokens as every answer."""
    prompt = sum(row.predicted for row in job.rows) / len(job.rows)
    return len(job.rows) * _usd(job, prompt, job.max_tokens)


def _usd(job: SimulatedJob, prompt: float, output: float) -> float:
    price_in, price_out, _, _ = job.prices
    return (prompt * price_in + output * price_out) / 1e6


PEERS: Mapping[str, Peer] = {
    "first 100 rows x N": first_rows,
    "4 characters a token": four_characters,
    "max_tokens as output": longest_answers,
}
