"""What a person does in the review, as requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.testclient import TestClient


def csrf_of(client: TestClient) -> str:
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/").text)
    assert found
    return found[1]


def review(client: TestClient, formula: int, action: str, **fields: str) -> str:
    """Do one step; returns where it leads."""
    data = {"csrf": csrf_of(client), "action": action, **fields}
    answer = client.post(f"/formulas/{formula}/review", data=data, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]
