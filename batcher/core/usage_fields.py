"""The token counts that the API reports, and the lifetimes of its prompt cache."""

from typing import Literal

TTL = Literal["5m", "1h"]
"""The lifetimes of an entry of the prompt cache."""

PROMPT_FIELDS = (
    "input_tokens",
    "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens",
    "cache_read_input_tokens",
)
"""The fields of a usage that add up to the tokens of the prompt."""

BILLED_FIELDS = (*PROMPT_FIELDS, "output_tokens")
"""The token fields of a usage that are billed, each at its own rate."""

TOKEN_FIELDS = (*BILLED_FIELDS, "thinking_tokens")
"""All token fields of a usage; thinking tokens are a part of the output tokens."""
