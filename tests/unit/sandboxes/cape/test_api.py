"""CAPE's API is spoken as it is: also where its answers mean something else than they say."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drlactors.sandboxes.cape.api import CapeApi
from drlactors.sandboxes.errors import CapeRefused, CapeUnreachable
from drlactors.testing.processes import HeldPort
from tests.unit.sandboxes.cape.fake import SAMPLE, FakeCape


@pytest.fixture
def cape(tmp_path: Path) -> Iterator[FakeCape]:
    with FakeCape(tmp_path, token="secret") as running:
        running.statuses[7] = "running"
        yield running


@pytest.fixture
def api(cape: FakeCape) -> CapeApi:
    return CapeApi(cape.url + "/", "secret", timeout_s=5.0)


def test_the_status_is_what_cape_says(cape: FakeCape, api: CapeApi) -> None:
    assert api.status(7) == "running"
    cape.statuses[7] = "reported"
    assert api.status(7) == "reported"


def test_a_refusal_has_capes_reason(api: CapeApi) -> None:
    with pytest.raises(CapeRefused, match="Task does not exist"):
        api.status(8)


def test_a_wrong_token_is_a_refusal(cape: FakeCape) -> None:
    with pytest.raises(CapeRefused, match=r"HTTP 401.*Invalid token"):
        CapeApi(cape.url, "guess").status(7)


def test_finishing_works_although_cape_calls_it_an_error(cape: FakeCape, api: CapeApi) -> None:
    api.finish(7)
    assert cape.finished == [7]


def test_an_empty_answer_means_that_nothing_was_done(cape: FakeCape, api: CapeApi) -> None:
    cape.user_stop = False
    with pytest.raises(CapeRefused, match="user_stop"):
        api.finish(7)


def test_a_sample_is_submitted_with_what_is_asked_for(cape: FakeCape, api: CapeApi, tmp_path: Path) -> None:
    sample = tmp_path / "sample"
    sample.write_bytes(SAMPLE)
    assert api.submit(sample, 'a "b".exe', {"route": "inetsim", "tags_tasks": "x,y"}) == (901,)
    assert cape.created == [({"route": "inetsim", "tags_tasks": "x,y", "filename": "a _b_.exe"}, SAMPLE)]


def test_a_machine_that_cape_does_not_have_is_a_refusal(api: CapeApi, tmp_path: Path) -> None:
    (tmp_path / "sample").write_bytes(SAMPLE)
    with pytest.raises(CapeRefused, match="does not exist"):
        api.submit(tmp_path / "sample", "a.exe", {"machine": "win95"})


def test_what_the_rate_limit_turns_away_is_asked_again_some_times(cape: FakeCape, api: CapeApi) -> None:
    cape.throttle = 2
    assert api.status(7) == "running"
    cape.throttle = 3
    with pytest.raises(CapeRefused, match="HTTP 429"):
        api.status(7)


def test_nobody_there_is_unreachable() -> None:
    port = HeldPort()
    with pytest.raises(CapeUnreachable):
        CapeApi(f"http://{port.address}/apiv2").status(7)


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"no HTTP\r\n\r\n", b""], ids=["half", "other", "none"]
)
def test_one_who_ends_in_the_middle_of_an_answer_is_unreachable(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as asked:
                asked.recv(1 << 16)
                asked.sendall(said)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(CapeUnreachable):
            CapeApi(f"http://127.0.0.1:{server.getsockname()[1]}/apiv2").status(7)
        answering.join()
