"""Files, from a client through the gateway to a provider on loopback and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fake.gateways import CLIENT
from tests.fake.keeping import BYTES
from turnout.control import upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from tests.fake.keeping import Keeping

UPLOAD = {"file": ("a.jsonl", b"x" * 300_000, "application/jsonl")}


@pytest.mark.parametrize("prefix", ["/v1", "/api/v1"])
def test_a_file_is_stored_with_the_gateways_own_credential(depot: TestClient, kept: Keeping, prefix: str) -> None:
    answer = depot.post(f"{prefix}/files", files=UPLOAD, data={"purpose": "batch"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == "one~file-1"
    sent = kept.last
    assert (sent.method, sent.path) == ("POST", "/v1/files")
    assert sent.headers["authorization"] == "Bearer secret-one"
    assert sent.headers["x-team"] == "blue"
    assert sent.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert int(sent.headers["content-length"]) == len(sent.body)
    assert b"x" * 300_000 in sent.body
    assert CLIENT not in repr(sent)


def test_a_field_of_the_form_names_the_provider_and_does_not_pass(depots: TestClient, kept: Keeping) -> None:
    assert depots.post("/v1/files", files=UPLOAD, data={"purpose": "batch"}).status_code == 400
    answer = depots.post("/v1/files", files=UPLOAD, data={"purpose": "batch", "provider": "one"})
    assert answer.json()["id"] == "one~file-1"
    (sent,) = kept.received
    assert b'name="provider"' not in sent.body
    assert b'name="purpose"\r\n\r\nbatch\r\n' in sent.body
    assert int(sent.headers["content-length"]) == len(sent.body)


def test_a_body_of_unknown_length_goes_in_chunks(depot: TestClient, kept: Keeping) -> None:
    def parts() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="provider"\r\n\r\none\r\n'
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        yield b"12345\r\n--b--\r\n"

    form = {"content-type": "multipart/form-data; boundary=b"}
    answer = depot.post("/v1/files", content=parts(), headers=form)
    assert answer.status_code == 200, answer.text
    assert kept.last.headers["transfer-encoding"] == "chunked"
    assert kept.last.body.startswith(b'--b\r\nContent-Disposition: form-data; name="file"')
    assert kept.last.body.endswith(b"12345\r\n--b--\r\n")


def test_the_address_or_the_header_names_it_too(depots: TestClient, kept: Keeping) -> None:
    assert depots.get("/v1/files", params={"provider": "one", "limit": "2", "key": CLIENT}).status_code == 200
    assert kept.last.path == "/v1/files?limit=2"
    assert depots.get("/v1/files", headers={"x-turnout-provider": "one"}).status_code == 200
    refused = depots.get("/v1/files")
    assert refused.status_code == 400
    assert refused.json()["error"]["metadata"]["providers"] == ["one", "two"]
    both = depots.post("/v1/files", params={"provider": "two"}, files=UPLOAD, data={"provider": "one"})
    assert both.status_code == 400


def test_a_list_has_the_ids_that_come_back(depots: TestClient, kept: Keeping) -> None:
    page = depots.get("/v1/files", params={"after": "one~file-0"}).json()
    assert kept.last.path == "/v1/files?after=file-0"
    assert (page["data"][0]["id"], page["last_id"]) == ("one~file-1", "one~file-1")
    assert depots.get(f"/v1/files/{page['last_id']}").json()["id"] == "one~file-1"
    assert kept.last.path == "/v1/files/file-1"
    gone = depots.delete("/v1/files/one~file-1")
    assert gone.json() == {"id": "one~file-1", "object": "file", "deleted": True}
    assert kept.last.method == "DELETE"


def test_a_files_bytes_are_untouched_and_no_page_of_the_gateway(depot: TestClient, kept: Keeping) -> None:
    kept.headers = {"content-type": "text/html", "set-cookie": "a=b", "content-disposition": 'attachment; filename="a"'}
    answer = depot.get("/v1/files/one~file-2/content")
    assert answer.content == BYTES
    assert kept.last.path == "/v1/files/file-2/content"
    assert answer.headers["content-disposition"] == 'attachment; filename="a"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert "set-cookie" not in answer.headers


def test_anthropics_clients_reach_anthropics_files(depot: TestClient, kept: Keeping) -> None:
    asked = {"anthropic-version": "2023-06-01"}
    assert depot.post("/v1/files", files=UPLOAD, headers=asked).json()["id"] == "claude~file-1"
    assert kept.last.headers["anthropic-beta"] == "files-api-2025-04-14"
    assert kept.last.headers["anthropic-version"] == "2023-06-01"
    refused = depot.get("/v1/files/one~file-1", headers=asked)
    assert (refused.status_code, refused.json()["error"]["type"]) == (404, "not_found_error")


def test_who_has_no_key_reaches_nothing(depot: TestClient, kept: Keeping) -> None:
    nobody = {"authorization": "Bearer wrong"}
    for method, path in [
        ("GET", "/v1/files"),
        ("POST", "/v1/files"),
        ("GET", "/v1/files/one~a"),
        ("DELETE", "/v1/files/one~a"),
        ("GET", "/v1/files/one~a/content"),
    ]:
        assert depot.request(method, path, headers=nobody).status_code == 401
    assert kept.received == []


def test_what_is_no_form_is_refused(depot: TestClient, kept: Keeping) -> None:
    answer = depot.post("/v1/files", json={"file": "x"})
    assert answer.status_code == 400
    assert "multipart/form-data" in answer.json()["error"]["message"]
    assert kept.received == []


def test_a_file_over_the_bound_is_413(depot: TestClient, kept: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload.Upload.__init__, "__kwdefaults__", {"bytes_max": 200_000})
    assert depot.post("/v1/files", files=UPLOAD).status_code == 413
    assert kept.received == []


@pytest.mark.parametrize("id", ["one~..", "one~../models", "one~%2e%2e", "two~file-1"])
def test_an_id_that_cannot_be_one_is_404(depot: TestClient, kept: Keeping, id: str) -> None:
    assert depot.get(f"/v1/files/{id.replace('/', '%2F')}").status_code == 404
    assert kept.received == []
