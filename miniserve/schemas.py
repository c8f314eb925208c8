"""The JSON that goes over the wire. What each field means is also what `/docs` shows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

from miniserve.tutor import EXAMPLE_SENTENCE, MAX_SENTENCE_LENGTH, check_sentence

#: A sentence that has passed the rules, trimmed. The schema states the length; the rules say the
#: rest.
Sentence = Annotated[
    str,
    AfterValidator(check_sentence),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_SENTENCE_LENGTH,
            "description": "One English sentence: printable text in one line. "
            "Whitespace at its ends is trimmed.",
        }
    ),
]


class CorrectionRequest(BaseModel):
    """A sentence to correct."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sentence": EXAMPLE_SENTENCE}]})

    sentence: Sentence


class CorrectionResponse(BaseModel):
    """The corrected sentence, and why it was changed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "corrected": "He went to school.",
                    "explanation": "The past tense of 'go' is the irregular form 'went'.",
                }
            ]
        }
    )

    corrected: str = Field(description="The sentence with its verb put right, or just as it came.")
    explanation: str = Field(description="One line that says what was wrong.")


class Health(BaseModel):
    """The process is up."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """The server takes requests."""

    status: Literal["ready"] = "ready"
    num_running: int = Field(default=0, description="Requests that the engine is working on.")
    num_waiting: int = Field(default=0, description="Requests that wait for a place.")


class FieldError(BaseModel):
    """One thing that is wrong with a request. It never repeats what was sent."""

    field: str = Field(description="Where: a name, or a dotted path.")
    rule: str = Field(description="Which rule, as one word for programs.")
    message: str = Field(description="The same for people.")


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 writes it (`application/problem+json`)."""

    type: str = Field(description="Which problem, as a URI that never changes.")
    title: str = Field(description="The problem in a few words, the same every time.")
    status: int = Field(description="The HTTP status again.")
    detail: str = Field(description="What happened this time.")
    errors: list[FieldError] | None = Field(
        default=None, description="Only for status 422: what to mend."
    )
