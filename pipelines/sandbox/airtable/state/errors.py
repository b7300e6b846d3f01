"""Airtable's refusals, in the three body shapes that occur in the wild.

`{"error": {"type", "message"}}` for most, `{"error": "NOT_FOUND"}` for what is not there, and
`{"errors": [{"error", "message"}]}` for both kinds of 429.
"""

from __future__ import annotations

from typing import Any


class AirtableError(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, body: dict[str, Any] | str, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.headers = headers or {}


def typed(status: int, kind: str, message: str) -> AirtableError:
    return AirtableError(status, {"error": {"type": kind, "message": message}})


def listed(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> AirtableError:
    return AirtableError(status, {"errors": [{"error": kind, "message": message}]}, headers)


def not_found() -> AirtableError:
    return AirtableError(404, {"error": "NOT_FOUND"})


def unauthorized() -> AirtableError:
    return typed(401, "AUTHENTICATION_REQUIRED", "Authentication required")


def invalid_token() -> AirtableError:
    return typed(401, "UNAUTHORIZED", "Invalid authentication token")


def forbidden() -> AirtableError:
    """A scope that the token lacks."""
    return typed(403, "INVALID_PERMISSIONS", "You are not permitted to perform this operation")


def hidden() -> AirtableError:
    """A base or table that is not there or not in the token's access list: Airtable does not say which."""
    return typed(
        403,
        "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND",
        "Invalid permissions, or the requested model was not found. Check that both your user and your token have "
        "the required permissions, and that the model names and/or ids are correct.",
    )


def invalid_request(message: str = "parameter validation failed. Check your request data.") -> AirtableError:
    return typed(422, "INVALID_REQUEST_UNKNOWN", f"Invalid request: {message}")


def missing_field(name: str) -> AirtableError:
    return typed(422, "INVALID_REQUEST_MISSING_FIELDS", f'Could not find field "{name}" in the request body')


def unknown_field(name: str) -> AirtableError:
    return typed(422, "UNKNOWN_FIELD_NAME", f'Unknown field name: "{name}"')


def bad_value(name: str) -> AirtableError:
    return typed(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{name}" cannot accept the provided value')


def computed(name: str) -> AirtableError:
    return typed(422, "INVALID_VALUE_FOR_COLUMN", f'Field "{name}" cannot accept a value because the field is computed')


def unknown_choice(name: str) -> AirtableError:
    return typed(
        422, "INVALID_MULTIPLE_CHOICE_OPTIONS", f'Insufficient permissions to create new select option ""{name}""'
    )


def bad_attachment(name: str, why: str) -> AirtableError:
    return typed(422, "INVALID_ATTACHMENT_OBJECT", f"Invalid attachment object for field {name}: {why}")


def missing_row(record_id: str) -> AirtableError:
    return typed(422, "ROW_DOES_NOT_EXIST", f"Record ID {record_id} does not exist in this table")


def rate_limited(retry_after: float | None) -> AirtableError:
    headers = {} if retry_after is None else {"Retry-After": str(int(retry_after))}
    return listed(429, "RATE_LIMIT_REACHED", "Rate limit exceeded. Please try again later", headers)


def over_quota() -> AirtableError:
    return listed(
        429,
        "PUBLIC_API_BILLING_LIMIT_EXCEEDED",
        "The workspace has used up its monthly API calls. Upgrade the plan or wait for the next month.",
    )
