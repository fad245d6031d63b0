"""Reading crops with a vision server that speaks OpenAI's protocol: vLLM, SGLang, `transformers serve`, or a paid one.

A few requests at a time, each tried again when the server is busy, restarts or is slow; what cannot be read in the end
is a failure of its own.
"""

from __future__ import annotations

import base64
import math
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from docproc.confidence import uncalibrated
from docproc.engine.layout import pad_to_multiple
from docproc.errors import DependencyError
from docproc.prompt import PROMPT
from docproc.recognition import CELL_PX, Unread, max_new_tokens
from docproc.records import Recognition

if TYPE_CHECKING:
    import httpx
    import numpy as np

# Requests at once: a server batches them itself; vLLM and SGLang take hundreds, a laptop's server one after the other.
REQUESTS_AT_ONCE = 16
# A busy or restarting server: five tries within half a minute; a pause that it asks for is kept to a minute.
TRIES, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 1.0, 60.0
CONNECT_SECONDS = 10.0
# Answers after which it is worth trying again: time-outs, models that load, too many requests, errors of the server.
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# A request that a server refuses for its form; some know no `logprobs`.
_REFUSED = frozenset({400, 422})
# Of a server that tells no probabilities: neither doubtful nor `verified` (latex/judge.py).
UNKNOWN_CONFIDENCE = 0.5
_STOP_REASONS = {"stop": "end", "length": "length"}


class EndpointRecognizer:
    """Reads crops over HTTP; use it in a `with` statement."""

    def __init__(self, url: str, model: str | None, key: str | None, timeout_seconds: float) -> None:
        """Prepare; the first question connects.

        Args:
            url: Of the server's version 1, such as http://localhost:8000/v1.
            model: Its name there; None takes the first that the server offers.
            key: Sent as a bearer token; None sends none.
            timeout_seconds: For one answer.

        Raises:
            DependencyError: The address is none, or the server, asked for its models, does not answer.
        """
        self._url, self._key, self._timeout_seconds = url.rstrip("/"), key, timeout_seconds
        if not self._url.startswith(("http://", "https://")):
            raise DependencyError(f"--endpoint {url}: give an address such as http://localhost:8000/v1.")
        self._has_probabilities, self._is_gone = True, False
        self.model = model or self._first_model()
        self.name = f"endpoint:{self.model}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @cached_property
    def _client(self) -> httpx.Client:
        import httpx

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        # The address that was given is the one that is asked: no proxy of the environment comes between.
        return httpx.Client(
            headers=headers, timeout=httpx.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS), trust_env=False
        )

    def _first_model(self) -> str:
        import httpx

        try:
            answer = self._client.get(f"{self._url}/models")
            answer.raise_for_status()
            return str(answer.json()["data"][0]["id"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            raise DependencyError(
                f"--endpoint {self._url}: no list of models there ({_said(error)}). Start the server, look at the "
                "address, which usually ends in /v1, or name its model with --model."
            ) from error

    def batch_size(self, asked: str = "auto") -> int:
        """Requests at once."""
        return REQUESTS_AT_ONCE if asked == "auto" else int(asked)

    def read(self, crops: Sequence[np.ndarray], batch_size: int) -> Iterator[tuple[int, Recognition | Unread]]:
        """Read crops, `batch_size` requests at once; see `Recognizer.read`."""
        with ThreadPoolExecutor(batch_size) as threads:
            asked = {threads.submit(self._ask, crop): index for index, crop in enumerate(crops)}
            try:
                for done in as_completed(asked):
                    yield asked[done], done.result()
            finally:
                threads.shutdown(cancel_futures=True)  # Ctrl-C waits for those under way only

    def _ask(self, crop: np.ndarray) -> Recognition | Unread:
        """One crop, tried again while there is hope."""
        import httpx

        reason = ""
        for number in range(TRIES):
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**number) * random.uniform(0.5, 1.0)
            try:
                answer = self._post(crop)
            except httpx.TransportError as error:
                reason = f"it did not answer: {_said(error)}"
                if isinstance(error, httpx.ReadTimeout) and number > 0:  # twice as long as --batch-timeout is enough
                    break
            else:
                self._is_gone = False
                if answer.is_success:
                    try:
                        return _reading(answer.json()["choices"][0])
                    except (ValueError, LookupError, TypeError, AttributeError) as error:
                        return Unread(f"the server at {self._url} answered in another form: {_said(error)}")
                reason = f"it answered {answer.status_code}: {answer.text.strip()[:200] or answer.reason_phrase}"
                if answer.status_code not in _PASSING:
                    break
                pause = max(pause, _asked_pause(answer))
            if self._is_gone:  # another crop has waited long enough for all
                break
            if number + 1 < TRIES:
                time.sleep(pause)
            elif reason.startswith("it did not answer"):
                self._is_gone = True
        return Unread(f"the server at {self._url} did not read it; {reason}")

    def _post(self, crop: np.ndarray) -> httpx.Response:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [{"role": "user", "content": _content(crop)}],
            "max_tokens": max_new_tokens(crop),
            "temperature": 0,
        }
        with_probabilities = self._has_probabilities
        if with_probabilities:
            body["logprobs"] = True
        answer = self._client.post(f"{self._url}/chat/completions", json=body)
        if answer.status_code in _REFUSED and with_probabilities:
            del body["logprobs"]
            plain = self._client.post(f"{self._url}/chat/completions", json=body)
            if plain.is_success:
                self._has_probabilities = False
            return plain
        return answer


def _content(crop: np.ndarray) -> list[dict[str, Any]]:
    """Picture and prompt, as the messages of prompt.py; paper around it, so that whole cells need no resizing."""
    import cv2

    done, png = cv2.imencode(".png", pad_to_multiple(crop, CELL_PX))
    assert done
    url = "data:image/png;base64," + base64.b64encode(png.tobytes()).decode("ascii")
    return [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": PROMPT}]


def _reading(choice: dict[str, Any]) -> Recognition:
    text = choice["message"]["content"] or ""
    tokens = (choice.get("logprobs") or {}).get("content") or []
    confidence = UNKNOWN_CONFIDENCE
    if tokens:
        confidence = uncalibrated(math.fsum(float(token["logprob"]) for token in tokens) / len(tokens))
    # What ends otherwise (a filter, a tool) has not written the formula out.
    return Recognition(text.strip(), confidence, _STOP_REASONS.get(choice.get("finish_reason") or "stop", "length"))


def _asked_pause(answer: httpx.Response) -> float:
    """Seconds that the server asks for; a date is not worth the parsing."""
    try:
        return min(LONGEST_PAUSE_SECONDS, float(answer.headers.get("Retry-After", 0)))
    except ValueError:
        return 0.0


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
