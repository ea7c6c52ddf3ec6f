"""The addresses that a contained program may be given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drlactors.sandboxes.containment.relay import Address


@given(host=st.ip_addresses(v=4).map(str), port=st.integers(1, 65535))
def test_an_address_is_read_as_it_is_written(host: str, port: int) -> None:
    assert str(Address.parse(f"{host}:{port}")) == f"{host}:{port}"


@pytest.mark.parametrize(
    "text", ["", "example.org:80", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "1.2.3:80", "::1:80"]
)
def test_what_is_no_address_in_numbers_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an IPv4 address with a port"):
        Address.parse(text)
