"""The OpenAPI document: as it was agreed, and true of what the server answers.

`python -m tests.service.test_contract` writes the snapshot anew; read the difference before it is
kept.
"""

import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.errors
import pytest
import schemathesis
from schemathesis import GenerationMode, checks

from miniserve.serve import build_app
from miniserve.settings import Settings
from tests.service.process import ServerProcess

SNAPSHOT = Path(__file__).parent / "openapi.json"


def document() -> dict[str, Any]:
    """The document of the whole service, without what changes with every release."""
    found = build_app(Settings()).openapi()
    del found["info"]["version"]
    return found


def test_the_document_is_as_agreed() -> None:
    assert document() == json.loads(SNAPSHOT.read_text("utf-8")), (
        "the OpenAPI document has changed; if it should, run: python -m tests.service.test_contract"
    )


def test_every_error_of_every_route_is_a_documented_problem_with_an_example() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    continue
                if path.startswith("/v1/") and "application/json" in response["content"]:
                    continue  # in OpenAI's shape
                [(media_type, content)] = response["content"].items()
                assert media_type == "application/problem+json", (path, method, status)
                for example in content["examples"].values():
                    assert str(example["value"]["status"]) == status


OPERATIONS = [
    (path, method) for path, operations in document()["paths"].items() for method in operations
]

#: What JSON Schema cannot say of a sentence (one printable line), validation says: 422 is right
#: then.
STRICTER_THAN_THE_SCHEMA = [checks.positive_data_acceptance]


@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_no_answer_is_a_server_error_or_outside_the_document(
    server: ServerProcess, path: str, method: str, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    codes: set[int] = set()

    @hypothesis.given(case=schema[path][method.upper()].as_strategy(generation_mode=mode))
    @hypothesis.settings(max_examples=60 if method == "post" else 10, derandomize=True)
    def every(case: Any) -> None:
        answer = case.call()
        excluded = list(STRICTER_THAN_THE_SCHEMA)
        if answer.status_code == 413:  # too long to be read, whatever else is wrong with it
            excluded.append(checks.negative_data_rejection)
        case.validate_response(answer, excluded_checks=excluded)
        codes.add(answer.status_code)

    try:
        every()
    except hypothesis.errors.Unsatisfiable:  # nothing to get wrong in a request without parameters
        assert (mode, method) == (GenerationMode.NEGATIVE, "get")
        return
    if path == "/correct":
        assert codes >= ({200} if mode is GenerationMode.POSITIVE else {422})


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", "utf-8")
