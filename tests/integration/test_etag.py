"""Versions of entities: ETag, If-Match, If-None-Match. Who has not seen the last state changes nothing."""

import http.client
import json
import threading
import time

import pytest

from admin_api import CREDENTIALS, MORE_LEAST, MORE_PATHS, NOWHERE, least_credentials, make_parents, new_id
from pems import OTHER, OTHER_KEY, RSA, RSA_KEY
from support import PATIENCE

pytestmark = pytest.mark.usefixtures("clean")
OTHER_TAG = '"' + "0" * 32 + '"'


def tag_of(node, path):
    answer = node.admin("GET", path)
    assert answer.status == 200, answer
    return answer.headers["ETag"]


def refused(answer, words, status=412):
    assert answer.status == status, answer
    assert list(answer.json) == ["message"] and words in answer.json["message"], answer
    return answer


def test_every_answer_with_one_entity_has_its_version(cluster):
    made = cluster.a.admin("POST", "/services", json={"name": "s", "host": "h"})
    tag = made.headers["ETag"]
    assert len(tag) == 34 and tag[0] == tag[-1] == '"' and int(tag[1:-1], 16) >= 0
    assert made.headers["Access-Control-Expose-Headers"] == "ETag, Freshet-Position, Freshet-Laggards"
    route = cluster.a.admin("POST", "/services/s/routes", json={"name": "r", "paths": ["/r"]})
    for path in ("/services/s", f"/services/{made.json['id']}", "/routes/r/service"):
        for node in cluster.nodes:
            answer = node.admin("GET", path)
            assert answer.headers["ETag"] == tag, path
            head = node.admin("HEAD", path)
            assert head.headers["ETag"] == tag and head.body == b""
    for path in ("/routes/r", "/services/s/routes/r"):
        assert tag_of(cluster.b, path) == route.headers["ETag"] != tag
    listed = cluster.a.admin("GET", "/services")
    assert "ETag" not in listed.headers and "Access-Control-Expose-Headers" not in listed.headers
    assert "ETag" not in cluster.a.admin("GET", "/services/none").headers


def least_of_all(cluster):
    """path to post to, body; of every kind there is."""
    make_parents(cluster)
    cluster.consumer("owner")
    cluster.service("s")
    bodies = {"services": {"name": "x", "url": "http://h.test:81/p", "tags": ["b", "a"], "retries": 0},
              "routes": {"paths": ["/x"], "headers": {"x-b": ["2"], "x-a": ["1", "0"]}},
              "consumers": {"username": "x", "custom_id": "é\u2028\"\\"},
              "plugins": {"name": "request-termination", "config": {"status_code": 503, "message": "m"}}}
    bodies |= MORE_LEAST | least_credentials("owner")
    bodies["upstreams"] = {"name": "up", "slots": 100, "healthchecks": {"threshold": 33.3, "active": {"headers": {"h": ["v"]}}}}
    for entity, body in bodies.items():
        if entity != "targets":
            yield CREDENTIALS.get(entity) or MORE_PATHS.get(entity) or f"/{entity}", body
    yield "/upstreams/parent/targets", {"target": "t.test", "weight": 7}
    yield "/key-auths", {"consumer": {"username": "owner"}, "key": "mortal", "ttl": 1000}


def test_what_was_written_is_what_is_read(cluster):
    """Of every kind: the version of the answer to a write is that of each later look, until something changes."""
    for path, body in list(least_of_all(cluster)):
        made = cluster.a.admin("POST", path, json=body)
        assert made.status == 201, (path, made)
        assert "expires_at" not in made.json
        here = f"{path}/{made.json['id']}"
        for node in cluster.nodes:
            seen = node.admin("GET", here)
            assert seen.headers["ETag"] == made.headers["ETag"], (here, seen, made)
            assert "expires_at" not in seen.json
        same = cluster.b.admin("GET", here, headers={"If-None-Match": made.headers["ETag"]})
        assert same.status == 304 and same.body == b"" and same.headers["ETag"] == made.headers["ETag"]
        assert "Content-Type" not in same.headers
        if path.endswith("/targets"):
            continue
        changed = cluster.b.admin("PATCH", here, json={"tags": ["new"]}, headers={"If-Match": made.headers["ETag"]})
        assert changed.status == 200, (here, changed)
        assert changed.headers["ETag"] != made.headers["ETag"]
        assert tag_of(cluster.a, here) == changed.headers["ETag"]
        refused(cluster.a.admin("PATCH", here, json={"tags": ["late"]}, headers={"If-Match": made.headers["ETag"]}), "has changed")


def test_changes_and_their_undoing(cluster):
    cluster.service("s")
    first = tag_of(cluster.a, "/services/s")
    fields = {"port": 81, "retries": 6, "host": "other.test", "path": "/p", "tags": ["t"], "enabled": False, "connect_timeout": 1}
    seen = {first}
    for name, value in fields.items():
        tag = cluster.a.admin("PATCH", "/services/s", json={name: value}).headers["ETag"]
        assert tag not in seen, name
        seen.add(tag)
    with_message = {"name": "request-termination", "config": {"message": "one"}}
    plugin = cluster.a.admin("POST", "/services/s/plugins", json=with_message)
    nested = cluster.a.admin("PATCH", f"/services/s/plugins/{plugin.json['id']}", json={"config": {"message": "two"}})
    assert nested.headers["ETag"] != plugin.headers["ETag"]


def test_time_alone_changes_no_version_but_another_ttl_does(cluster):
    cluster.consumer("c")
    made = cluster.a.admin("POST", "/consumers/c/key-auth", json={"key": "k", "ttl": 1000})
    path = f"/consumers/c/key-auth/{made.json['id']}"
    time.sleep(1.1)
    seen = cluster.b.admin("GET", path)
    assert seen.json["ttl"] < 1000 and seen.headers["ETag"] == made.headers["ETag"]
    longer = cluster.a.admin("PATCH", path, json={"ttl": 2000}, headers={"If-Match": made.headers["ETag"]})
    assert longer.status == 200 and longer.headers["ETag"] != made.headers["ETag"]
    assert "expires_at" not in longer.json
    assert tag_of(cluster.b, path) == longer.headers["ETag"]
    refused(cluster.a.admin("DELETE", path, headers={"If-Match": made.headers["ETag"]}), "has changed")
    for_ever = cluster.a.admin("PUT", path, json={"key": "k"}, headers={"If-Match": longer.headers["ETag"]})
    assert for_ever.status == 200 and for_ever.json["ttl"] is None, for_ever
    assert tag_of(cluster.b, path) == for_ever.headers["ETag"]


def test_names_of_a_certificate_are_part_of_its_version(cluster):
    made = cluster.a.admin("POST", "/certificates", json={"cert": RSA, "key": RSA_KEY, "snis": ["b.test", "a.test"]})
    key, first = made.json["id"], made.headers["ETag"]
    service = {"protocol": "https", "host": "h", "client_certificate": {"id": key}}
    assert cluster.a.admin("PUT", "/services/s", json=service).status == 200
    paths = (f"/certificates/{key}", "/certificates/a.test", "/services/s/client_certificate")
    for path in paths:
        assert tag_of(cluster.b, path) == first, path
    assert cluster.a.admin("POST", "/snis", json={"name": "c.test", "certificate": {"id": key}}).status == 201
    second = tag_of(cluster.a, paths[0])
    assert second != first
    for path in paths:
        refused(cluster.b.admin("PATCH", path, json={"tags": ["late"]}, headers={"If-Match": first}), "has changed")
        assert tag_of(cluster.b, path) == second, path
    third = cluster.b.admin("PATCH", paths[2], json={"tags": ["t"]}, headers={"If-Match": second})
    assert third.status == 200 and tag_of(cluster.a, paths[1]) == third.headers["ETag"]
    fourth = cluster.a.admin("PATCH", paths[0], json={"snis": ["a.test"]}, headers={"If-Match": third.headers["ETag"]})
    assert fourth.status == 200 and fourth.headers["ETag"] != third.headers["ETag"]
    assert tag_of(cluster.b, paths[2]) == fourth.headers["ETag"]
    assert cluster.a.admin("DELETE", "/services/s").status == 204
    assert cluster.a.admin("DELETE", paths[1], headers={"If-Match": fourth.headers["ETag"]}).status == 204


def test_if_match_before_every_change(cluster):
    cluster.service("s")
    cluster.route("r")
    for path, body in (("/services/s", {"host": "new.test"}), ("/routes/r/service", {"host": "newer.test", "name": "s"}),
                       ("/routes/r", {"paths": ["/new"], "service": {"name": "s"}}), ("/services/s/routes/r", {"paths": ["/newer"]})):
        tag = tag_of(cluster.a, path)
        for method in ("PATCH", "PUT"):
            late = refused(cluster.b.admin(method, path, json=body, headers={"If-Match": OTHER_TAG}), "If-Match: the entity has changed")
            assert late.headers["ETag"] == tag and "Freshet-Position" not in late.headers
            refused(cluster.b.admin(method, path, json=body, headers={"If-Match": "W/" + tag}), "has changed")
        assert tag_of(cluster.a, path) == tag
        for number, form in enumerate(("{}", OTHER_TAG + " , {}", f'"else",,W/{OTHER_TAG},{{}},', "*")):
            headers = {"If-Match": form.format(tag)}
            assert cluster.b.admin("PATCH", path, json={"tags": [f"t{number}"]}, headers=headers).status == 200
            tag = tag_of(cluster.a, path)
        assert cluster.b.admin("PUT", path, json=body, headers={"If-Match": tag}).status == 200
    refused(cluster.a.admin("DELETE", "/services/s/routes/r", headers={"If-Match": OTHER_TAG}), "has changed")
    assert cluster.a.admin("DELETE", "/routes/r", headers={"If-Match": tag_of(cluster.b, "/routes/r")}).status == 204
    assert cluster.a.admin("DELETE", "/services/s", headers={"If-Match": "*"}).status == 204


def test_if_match_of_what_is_not_there(cluster):
    cluster.service("s")
    for method in ("PATCH", "PUT", "DELETE"):
        for path in ("/services/none", f"/services/{NOWHERE}", "/services/s/routes/none", "/certificates/none.test"):
            answer = cluster.a.admin(method, path, json={"host": "h"} if method != "DELETE" else None, headers={"If-Match": "*"})
            assert "ETag" not in refused(answer, "If-Match: there is no such entity").headers
    assert cluster.a.admin("GET", "/services").json["data"][0]["name"] == "s"
    refused(cluster.a.admin("PUT", "/services/none/routes/r", json={"paths": ["/"]}, headers={"If-Match": "*"}), "Not found", 404)


def test_put_that_only_creates(cluster):
    only_new = {"If-None-Match": "*"}
    for path, body in (("/services/s", {"host": "h"}), (f"/services/{new_id()}", {"host": "h"}),
                       ("/services/s/routes/r", {"paths": ["/"]}), ("/consumers/c", {})):
        made = cluster.a.admin("PUT", path, json=body, headers=only_new)
        assert made.status == 200, made
        again = refused(cluster.b.admin("PUT", path, json=body, headers=only_new), "If-None-Match: the entity exists")
        assert again.headers["ETag"] == made.headers["ETag"] == tag_of(cluster.a, path)
    refused(cluster.a.admin("DELETE", "/services/s", headers=only_new), "exists")
    refused(cluster.a.admin("PATCH", "/services/s", json={"port": 1}, headers={"If-None-Match": tag_of(cluster.a, "/services/s")}), "exists")


def test_one_of_many_that_only_create_wins(cluster):
    for turn in range(4):
        answers = [None] * 8
        start = threading.Barrier(8)

        def work(number, turn=turn, answers=answers, start=start):
            start.wait()
            answers[number] = cluster.nodes[number % 2].admin("PUT", f"/consumers/u{turn}", json={"custom_id": f"{turn}-{number}"},
                                                              headers={"If-None-Match": "*"})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(answer.status for answer in answers) == [200] + [412] * 7, answers


def test_not_modified(cluster):
    cluster.service("s")
    tag = tag_of(cluster.a, "/services/s")
    for value in (tag, "*", f"W/{tag}", f'{OTHER_TAG}, {tag}'):
        for method in ("GET", "HEAD"):
            answer = cluster.a.admin(method, "/services/s", headers={"If-None-Match": value})
            assert answer.status == 304 and answer.body == b"" and answer.headers["ETag"] == tag
    for value in (OTHER_TAG, '"s"', tag.upper() if tag.upper() != tag else OTHER_TAG):
        assert cluster.a.admin("GET", "/services/s", headers={"If-None-Match": value}).status == 200
    assert cluster.a.admin("GET", "/services/none", headers={"If-None-Match": "*"}).status == 404
    assert cluster.a.admin("GET", "/services", headers={"If-None-Match": "*"}).status == 200
    refused(cluster.a.admin("GET", "/services/s", headers={"If-Match": OTHER_TAG}), "has changed")


@pytest.mark.parametrize("value", ["", ",", "tag", '"open', 'open"', '"a" "b"', "*, *", '*, "a"', '"a", *', "W/*", 'w/"a"', '"a b"', "'a'",
                                   '"a";"b"'])
def test_malformed_headers(cluster, value):
    cluster.service("s")
    for name in ("If-Match", "If-None-Match"):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            answer = cluster.a.admin(method, "/services/s", json={"host": "h"} if method[0] == "P" else None, headers={name: value})
            refused(answer, f"{name}: expected * or a list of entity tags", 400)
    assert cluster.a.admin("POST", "/services", json={"host": "h"}, headers={"If-Match": value}).status == 201
    assert cluster.a.admin("GET", "/services", headers={"If-None-Match": value}).status == 200


def test_headers_are_bounded(cluster):
    cluster.service("s")
    tag = tag_of(cluster.a, "/services/s")
    most = ", ".join([OTHER_TAG] * 31 + [tag])
    assert cluster.a.admin("PATCH", "/services/s", json={"port": 81}, headers={"If-Match": most}).status == 200
    refused(cluster.a.admin("PATCH", "/services/s", json={"port": 82}, headers={"If-Match": f"{most}, {OTHER_TAG}"}),
            "If-Match: at most 32 entity tags", 400)
    assert cluster.a.admin("GET", "/services/s", headers={"If-None-Match": '"' + "x" * 8000 + '"'}).status == 200


def test_nothing_is_lost_between_a_look_and_a_change(cluster):
    """50 connections count up one field; each success is one more, however they meet."""
    connections, turns = 50, 3
    cluster.a.admin("PUT", "/services/s", json={"host": "h", "retries": 0})
    successes, failures = [], []

    def work(number):
        link = http.client.HTTPConnection("127.0.0.1", cluster.nodes[number % 2].admin_port, timeout=60 * PATIENCE)
        for _ in range(turns):
            link.request("GET", "/services/s")
            answer = link.getresponse()
            seen = json.loads(answer.read())
            body = json.dumps({"retries": seen["retries"] + 1})
            link.request("PATCH", "/services/s", body, {"Content-Type": "application/json", "If-Match": answer.headers["ETag"]})
            answer = link.getresponse()
            answer.read()
            (successes if answer.status == 200 else failures).append(answer.status)
        link.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(successes) + len(failures) == connections * turns
    assert set(failures) <= {412}, set(failures)
    assert successes and failures
    for node in cluster.nodes:
        assert node.admin("GET", "/services/s").json["retries"] == len(successes)


def test_a_condition_is_judged_again_when_the_transaction_is(cluster):
    """Deadlocks by hand: whoever runs again after one finds the state that is there by then."""
    ids = sorted(cluster.a.admin("POST", "/certificates", json=pair).json["id"]
                 for pair in ({"cert": RSA, "key": RSA_KEY}, {"cert": OTHER, "key": OTHER_KEY}))
    successes = []

    def work(number):
        for turn in range(6):
            path = f"/certificates/{ids[(number + turn) % 2]}"
            tag = tag_of(cluster.nodes[number % 2], path)
            answer = cluster.nodes[number % 2].admin("PATCH", path, json={"snis": [f"n{turn}-{number}.test"]}, headers={"If-Match": tag})
            assert answer.status in (200, 400, 412), answer
            if answer.status == 200:
                successes.append((tag, answer.headers["ETag"]))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({tag for tag, _ in successes}) == len(successes), "two changes were made to the same state"


@pytest.fixture
def fails_once(cluster):
    """The first change of a service has to be run again, a second after it has taken its locks."""
    cluster.sql("""CREATE SEQUENCE tries; CREATE FUNCTION fail_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN IF nextval('tries') = 1 THEN PERFORM pg_sleep(1); RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER fail_once BEFORE UPDATE ON services FOR EACH ROW EXECUTE FUNCTION fail_once()""")
    yield
    cluster.sql("DROP TRIGGER fail_once ON services; DROP FUNCTION fail_once; DROP SEQUENCE tries")


def overtaken(cluster):
    """A change that has to be run again, while another one waits for its row. Who gets the row is a matter of luck."""
    cluster.a.admin("PUT", "/services/s", json={"host": "h", "port": 80})
    cluster.sql("ALTER SEQUENCE tries RESTART")
    tag, answers = tag_of(cluster.a, "/services/s"), []
    first = threading.Thread(target=lambda: answers.append(cluster.a.admin("PATCH", "/services/s", json={"port": 81}, headers={"If-Match": tag})))
    first.start()
    time.sleep(0.4)  # it holds the row now
    assert cluster.b.admin("PATCH", "/services/s", json={"port": 82}).status == 200
    first.join()
    assert cluster.a.admin("GET", "/services/s").json["port"] == 82
    return answers[0]


def test_a_run_that_is_repeated_judges_what_is_there_by_then(cluster, fails_once):  # pylint: disable=unused-argument
    for _ in range(10):
        answer = overtaken(cluster)
        if answer.status != 200:  # it was not first again
            break
    refused(answer, "has changed")
    cluster.sql("ALTER SEQUENCE tries RESTART")
    again = cluster.a.admin("PATCH", "/services/s", json={"port": 83}, headers={"If-Match": tag_of(cluster.a, "/services/s")})
    assert again.status == 200, again
    assert cluster.sql("SELECT last_value FROM tries") == "2"
