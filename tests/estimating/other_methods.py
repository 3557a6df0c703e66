"""Estimation methods of other programs for the same jobs."""

from collections.abc import Callable, Mapping

from jobs import SimulatedJob

Peer = Callable[[SimulatedJob], float]


def first_rows(job: SimulatedJob) -> float:
    """Extrapolate the first hundred rows, with max_tokens for each answer.

    autolabel uses this method (``LabelingAgent.plan`` and ``OpenAILLM.get_cost``). Here it gets the
    real tokens of the prompts, because it has the tokenizer of its models.
    """
    first = job.rows[:100]
    prompt = sum(row.text for row in first) / len(first)
    return len(job.rows) * _usd(job, prompt, job.max_tokens)


def four_characters(job: SimulatedJob) -> float:
    """Assume four characters per token, and answers of a quarter of max_tokens."""
    prompt = sum(row.characters for row in job.rows) / len(job.rows) / 4
    return len(job.rows) * _usd(job, prompt, job.max_tokens / 4)


def longest_answers(job: SimulatedJob) -> float:
    """Use the prompts of the offline rule, and max_tokens for each answer."""
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
