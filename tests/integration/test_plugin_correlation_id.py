"""correlation-id (plugin reference, 15)."""

import re

import pytest

from support import got

pytestmark = pytest.mark.usefixtures("clean")

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
FORMS = {"uuid": UUID, "uuid#counter": UUID + r"#\d+", "tracker": r"127\.0\.0\.1-\d+-\d+-\d+-\d+-\d+\.\d{3}"}


@pytest.fixture(name="routed")
def made_route(cluster, clean):
    cluster.service()
    cluster.route()
    return cluster


@pytest.mark.parametrize("generator", FORMS)
def test_what_is_generated(routed, generator):
    routed.plugin("correlation-id", {"generator": generator, "header_name": "X-Own-Id", "echo_downstream": True})
    seen = set()
    for _ in range(4):
        answer = routed.a.proxy("GET", "/r")
        (number,) = got(answer, "X-Own-Id")
        assert re.fullmatch(FORMS[generator], number), number
        assert answer.all("x-own-id") == [number]
        seen.add(number)
    assert len(seen) == 4


def test_defaults(routed):
    routed.plugin("correlation-id")
    answer = routed.a.proxy("GET", "/r")
    assert re.fullmatch(FORMS["uuid#counter"], got(answer, "Kong-Request-ID")[0])
    assert answer.all("Kong-Request-ID") == []


@pytest.mark.parametrize("sent, kept", [("mine", True), ("", False), ("  ", False)])
def test_a_number_of_the_clients_own(routed, sent, kept):
    routed.plugin("correlation-id", {"echo_downstream": True})
    answer = routed.a.proxy("GET", "/r", headers={"kong-request-id": sent})
    numbers = got(answer, "Kong-Request-ID")
    assert len(numbers) == 1 and (numbers[0] == "mine") == kept and numbers[0] != ""
    assert answer.all("Kong-Request-ID") == numbers


def test_answers_of_others_are_numbered(routed):
    routed.plugin("correlation-id", {"echo_downstream": True, "generator": "uuid"})
    assert re.fullmatch(UUID, routed.a.proxy("GET", "/nowhere").all("Kong-Request-ID")[0])
    routed.plugin("request-termination", {"status_code": 418})
    answer = routed.a.proxy("GET", "/r")
    assert answer.status == 418 and re.fullmatch(UUID, answer.all("Kong-Request-ID")[0])
    assert routed.a.proxy("GET", "/r", headers={"Kong-Request-ID": "mine"}).all("Kong-Request-ID") == ["mine"]


def test_numbers_of_connections_ascend(routed):
    routed.plugin("correlation-id", {"generator": "tracker"})
    numbers = [got(routed.a.proxy("GET", "/r"), "Kong-Request-ID")[0] for _ in range(3)]
    address, port, pid = numbers[0].split("-")[:3]
    assert (address, port, pid) == ("127.0.0.1", str(routed.a.proxy_port), str(routed.a.worker_pid))
