"""A content block of a streamed response: its start and its deltas become one block."""

from typing import Any, Self

from batcher.core.answers.strict_json import load

# For each kind of delta, the key of its text and the key of the block that the text is added to.
_TEXT_OF_DELTA = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "partial_json"),
}
# The blocks that a first delta may begin, for servers that leave content_block_start out.
_START_OF_DELTA = {
    "text_delta": {"type": "text", "text": ""},
    "thinking_delta": {"type": "thinking", "thinking": ""},
}


class ContentBlock:
    """One content block and its deltas so far; raises ValueError for a delta that means nothing."""

    def __init__(self, start: dict[str, Any]) -> None:
        self._start = start
        self._block = dict(start)
        self._pieces: dict[str, list[str]] = {}
        self._has_deltas = False

    @classmethod
    def begun_by(cls, delta: dict[str, Any]) -> Self | None:
        """Return the block that a delta begins without a start; None when it lacks a name."""
        start = _START_OF_DELTA.get(str(delta.get("type")))
        return None if start is None else cls(start)

    def is_untouched(self, start: dict[str, Any]) -> bool:
        """Whether it started just so, and has had no delta since: a repeated start says nothing."""
        return start == self._start and not self._has_deltas

    def extend(self, delta: dict[str, Any]) -> None:
        """Add one delta."""
        self._has_deltas = True
        kind = delta.get("type")
        if kind == "signature_delta":
            self._block["signature"] = delta.get("signature")
        elif kind == "citations_delta":
            citations = self._block.get("citations")
            known = citations if isinstance(citations, list) else []
            self._block["citations"] = [*known, delta.get("citation")]
        elif isinstance(kind, str) and kind in _TEXT_OF_DELTA:
            source, target = _TEXT_OF_DELTA[kind]
            piece = delta.get(source)
            if piece is not None and not isinstance(piece, str):
                raise ValueError(f"the {source} of a delta is not a text")
            self._pieces.setdefault(target, []).append(piece or "")

    def close(self) -> dict[str, Any]:
        """Add the deltas to the block and return it; a second call changes nothing."""
        pieces, self._pieces = self._pieces, {}
        for key, parts in pieces.items():
            text = "".join(parts)
            if key == "partial_json":
                self._take_input(text)
            else:
                start = self._block.get(key)
                self._block[key] = (start if isinstance(start, str) else "") + text
        return self._block

    def _take_input(self, text: str) -> None:
        """Parse a tool's input; a fragment (max_tokens) is kept as text under ``partial_json``."""
        if not text:
            return
        try:
            self._block["input"] = load(text)
        except ValueError:
            self._block["partial_json"] = text
