"""How others estimate the same jobs, each in a few lines."""

from collections.abc import Callable, Mapping

from jobs import SimulatedJob

Peer = Callable[[SimulatedJob], float]


def first_rows(job: SimulatedJob) -> float:
    """The first hundred rows, times the number of rows, each answer at max_tokens.

    autolabel does so (``LabelingAgent.plan`` and ``OpenAILLM.get_cost``). The prompts' tokens are
    the real ones here, since it has the tokenizer of the models that it was made for.
    """
    first = job.rows[:100]
    prompt = sum(row.text for row in first) / len(first)
    return len(job.rows) * _usd(job, prompt, job.max_tokens)


def four_characters(job: SimulatedJob) -> float:
    """Four characters a token, and answers as long as a quarter of max_tokens."""
    prompt = sum(row.characters for row in job.rows) / len(job.rows) / 4
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
