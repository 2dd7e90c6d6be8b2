"""The audit log: one JSON line per change that is in force, none for anything else, and never a secret."""

import json
import os
import signal
import threading

import pytest

from pems import RSA, RSA_KEY
from support import eventually, free_ports
from test_admin_access import Kept, client, make_authority, make_certificate

SECRETS = ("topsecret-key", "topsecret-message", "topsecret-password", RSA_KEY.split("\n")[1])


@pytest.fixture(scope="module")
def log_path(tmp_path_factory):
    return str(tmp_path_factory.mktemp("audit") / "audit.log")


@pytest.fixture
def audited(own_cluster, log_path):
    made = own_cluster(redis=False, settings={"audit_log": log_path})
    made.audit_path = log_path
    open(log_path, "w", encoding="utf-8").close()
    return made


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def lines_of(cluster, answer):
    """Those of the change that `answer` is about."""
    position = answer.headers["Freshet-Position"]
    return eventually(lambda: [line for line in lines(cluster.audit_path) if line.get("position") == position], what="the audit line")


def line_of(cluster, answer):
    (line,) = lines_of(cluster, answer)
    return line


def ask(node, status, method, path, **more):
    answer = node.admin(method, path, **more)
    assert answer.status == status, answer
    return answer


def check_changes(cluster):
    node = cluster.a
    service = ask(node, 201, "POST", "/services", json={"name": "s", "host": "h"}, headers={"X-Request-Id": "mine-17"})
    line = line_of(cluster, service)
    identity = node.admin("GET", "/").json["node_id"]
    assert list(line) == ["time", "node_id", "node_name", "peer", "subject", "principal", "request_id", "method", "entity", "id",
                          "operation", "position"]
    assert line["time"][10] == "T" and line["time"][19] == "." and line["time"].endswith("Z") and len(line["time"]) == 24
    assert line | {"time": ""} == {"time": "", "node_id": identity, "node_name": "a", "peer": "127.0.0.1", "subject": None,
                                   "principal": None, "request_id": "mine-17", "method": "POST", "entity": "services",
                                   "id": service.json["id"], "operation": "create", "position": service.headers["Freshet-Position"]}
    changed = ask(cluster.b, 200, "PATCH", "/services/s", json={"port": 81, "tags": ["t"]})
    line = line_of(cluster, changed)
    assert (line["node_name"], line["operation"], line["fields"]) == ("b", "update", ["port", "tags"])
    assert len(line["request_id"]) == 32 and int(line["request_id"], 16)
    same = line_of(cluster, ask(node, 200, "PATCH", "/services/s", json={"port": 81}))
    assert same["fields"] == []
    put = line_of(cluster, ask(node, 200, "PUT", "/services/other", json={"host": "h"}))
    assert (put["method"], put["operation"], "fields" in put) == ("PUT", "create", False)
    put = line_of(cluster, ask(node, 200, "PUT", "/services/other", json={"host": "h2"}))
    assert (put["method"], put["operation"], put["fields"]) == ("PUT", "update", ["host"])
    gone = line_of(cluster, ask(node, 204, "DELETE", "/services/other"))
    assert (gone["operation"], gone["id"], "also" in gone) == ("delete", put["id"], False)


def check_nested(cluster):
    node = cluster.a
    message = {"name": "request-termination", "config": {"status_code": 418, "message": SECRETS[1]}}
    plugin = ask(node, 201, "POST", "/services/s/plugins", json=message)
    changed = ask(node, 200, "PATCH", f"/plugins/{plugin.json['id']}", json={"config": {"message": SECRETS[1] + "!"}})
    assert line_of(cluster, changed)["fields"] == ["config.message"]
    route = ask(node, 201, "POST", "/routes", json={"name": "lone", "paths": ["/lone"]})
    made = line_of(cluster, ask(node, 200, "PUT", "/routes/lone/service", json={"host": "h"}))
    assert made["entity"] == "services" and made["operation"] == "create"
    assert made["also"] == [{"entity": "routes", "id": route.json["id"], "operation": "update", "fields": ["service"]}]


def check_cascades(cluster):
    node = cluster.a
    consumer = ask(node, 201, "POST", "/consumers", json={"username": "c"})
    key = ask(node, 201, "POST", "/consumers/c/key-auth", json={"key": SECRETS[0], "ttl": 1000})
    password = ask(node, 201, "POST", "/consumers/c/basic-auth", json={"username": "u", "password": SECRETS[2]})
    longer = ask(node, 200, "PATCH", f"/consumers/c/key-auth/{SECRETS[0]}", json={"ttl": 2000})
    assert line_of(cluster, longer)["fields"] == ["ttl"]
    line = line_of(cluster, ask(node, 204, "DELETE", "/consumers/c"))
    assert (line["entity"], line["id"]) == ("consumers", consumer.json["id"])
    assert sorted((also["entity"], also["id"], also["operation"]) for also in line["also"]) == sorted([
        ("keyauth_credentials", key.json["id"], "delete"), ("basicauth_credentials", password.json["id"], "delete")])
    certificate = ask(node, 201, "POST", "/certificates", json={"cert": RSA, "key": RSA_KEY, "snis": ["a.test", "b.test"]})
    assert [also["entity"] for also in line_of(cluster, certificate)["also"]] == ["snis", "snis"]
    path = f"/certificates/{certificate.json['id']}"
    names = line_of(cluster, ask(node, 200, "PATCH", path, json={"snis": ["a.test"]}))
    assert names["fields"] == ["snis"] and [also["operation"] for also in names["also"]] == ["delete"]


def test_each_change_has_its_line(audited):
    check_changes(audited)
    check_nested(audited)
    check_cascades(audited)
    with open(audited.audit_path, encoding="utf-8") as file:
        text = file.read()
    for secret in SECRETS:
        assert secret not in text


def test_what_changes_nothing_has_no_line(audited):
    node = audited.a
    ask(node, 201, "POST", "/services", json={"name": "s", "host": "h"})
    ask(node, 409, "POST", "/services", json={"name": "s", "host": "h"})
    ask(node, 400, "PATCH", "/services/s", json={"port": "x"})
    ask(node, 412, "PATCH", "/services/s", json={"port": 1}, headers={"If-Match": '"other"'})
    ask(node, 404, "PATCH", "/services/none", json={"port": 1})
    ask(node, 204, "DELETE", "/services/none")
    ask(node, 200, "GET", "/services/s")
    last = ask(node, 204, "DELETE", "/services/s")
    line_of(audited, last)
    assert [line["operation"] for line in lines(audited.audit_path)] == ["create", "delete"]


def test_purges_are_noted(audited):
    node = audited.a
    ask(node, 201, "POST", "/consumers", json={"username": "c"})
    key = ask(node, 201, "POST", "/consumers/c/key-auth", json={"key": SECRETS[0]})
    ask(node, 204, "DELETE", f"/cache/{key.headers['X-Cache-Key']}")
    ask(node, 204, "DELETE", "/cache")
    notes = eventually(lambda: [line for line in lines(audited.audit_path) if line["operation"] == "purge"][1:] and
                       [line for line in lines(audited.audit_path) if line["operation"] == "purge"], what="the notes")
    assert [(note["entity"], note.get("what")) for note in notes] == [("cache", "keyauth_credentials"), ("cache", None)]
    assert SECRETS[0] not in json.dumps(notes)


def test_a_renamed_file_is_left_after_the_signal_and_by_a_reload(audited):
    node, path = audited.a, audited.audit_path
    for number, tell in enumerate((lambda: node.signal(signal.SIGUSR1), node.reload)):
        line_of(audited, ask(node, 201, "POST", "/consumers", json={"username": f"before{number}"}))
        before = lines(path)
        os.rename(path, path + ".old")
        tell()
        audited.b.signal(signal.SIGUSR1)
        eventually(lambda: os.path.exists(path), what="the new file")
        line_of(audited, ask(node, 201, "POST", "/consumers", json={"username": f"after{number}"}))
        assert lines(path + ".old") == before
        os.remove(path + ".old")


def test_it_is_turned_on_and_off_by_a_reload(own_cluster, log_path):
    cluster = own_cluster(redis=False, names=("a",))
    node, cluster.audit_path = cluster.a, log_path + ".live"
    ask(node, 201, "POST", "/consumers", json={"username": "unseen"})
    assert not os.path.exists(cluster.audit_path)
    node.settings["audit_log"] = cluster.audit_path
    assert "audit_log: applied" in node.reload().stdout
    line_of(cluster, ask(node, 201, "POST", "/consumers", json={"username": "seen"}))
    node.settings["audit_log"] = "/nonexistent/audit.log"
    node.reload()
    eventually(lambda: "the audit log stays where it was; audit log /nonexistent/audit.log: No such file" in node.log(), what="the refusal")
    line_of(cluster, ask(node, 201, "POST", "/consumers", json={"username": "seen too"}))
    node.settings["audit_log"] = "off"
    node.reload()
    ask(node, 201, "POST", "/consumers", json={"username": "unseen again"})
    node.settings["audit_log"] = "stderr"
    node.reload()
    last = ask(node, 201, "POST", "/consumers", json={"username": "shown"})
    eventually(lambda: f'"id":"{last.json["id"]}"' in node.log(), what="the line on stderr")
    assert len(lines(cluster.audit_path)) == 2


def test_a_full_disk_is_told_once_and_waited_for(own_cluster, log_path):
    cluster = own_cluster(redis=False, names=("a",), start=False)
    link, cluster.audit_path = log_path + ".link", log_path + ".real"
    os.symlink("/dev/full", link)
    cluster.settings["audit_log"] = link
    cluster.start()
    node = cluster.a
    answers = [ask(node, 201, "POST", "/consumers", json={"username": f"c{number}"}) for number in range(20)]
    eventually(lambda: "audit log: cannot be written, lines wait; No space left on device" in node.log(), what="the error")
    assert node.log().count("audit log: cannot be written") == 1
    os.remove(link)
    os.symlink(cluster.audit_path, link)
    node.signal(signal.SIGUSR1)
    eventually(lambda: "audit log: is written again; lines_lost=0" in node.log(), what="the recovery")
    for answer in answers:
        line_of(cluster, answer)


def test_a_file_that_cannot_be_opened_refuses_the_start(own_cluster):
    cluster = own_cluster(redis=False, names=("a",))
    cluster.a.stop()
    cluster.a.settings["audit_log"] = "/nonexistent/audit.log"
    cluster.a.start(wait=False)
    assert cluster.a.process.wait(60) != 0
    cluster.a.process = None
    assert "audit log /nonexistent/audit.log: No such file or directory" in cluster.a.log()


def test_many_at_once_have_a_line_each(audited):
    def work(number, answers):
        for turn in range(10):
            answers.append(audited.nodes[number % 2].admin("PUT", f"/consumers/u{turn}", json={"custom_id": f"{turn}"}))

    answers = []
    threads = [threading.Thread(target=work, args=(number, answers)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {200}
    wanted = sorted(answer.headers["Freshet-Position"] for answer in answers)
    eventually(lambda: sorted(line["position"] for line in lines(audited.audit_path)) == wanted, what="a line for each")
    assert sum(line["operation"] == "create" for line in lines(audited.audit_path)) == 10


def test_a_large_cascade_is_complete(audited):
    ask(audited.a, 201, "POST", "/consumers", json={"username": "c"})
    made = {ask(audited.a, 201, "POST", "/consumers/c/key-auth", json={}).json["id"] for _ in range(150)}
    parts = sorted(lines_of(audited, ask(audited.a, 204, "DELETE", "/consumers/c")), key=lambda line: line.get("part", 1))
    assert [line.get("part", 1) for line in parts] == [1, 2, 3]
    assert {also["id"] for line in parts for also in line["also"]} == made


def test_who_it_was_is_in_the_line(own_cluster, log_path, tmp_path):
    make_authority(tmp_path, "ca")
    make_certificate(tmp_path, "ann", "ca")
    tokens = tmp_path / "tokens"
    tokens.write_text("deploy read-write writer-0123456789abcdef\n")
    tokens.chmod(0o600)
    plain, tls = free_ports(2)
    cluster = own_cluster(redis=False, names=("a",), settings={
        "audit_log": log_path + ".who", "admin_tokens_file": tokens, "admin_ssl_client_ca": tmp_path / "ca.crt",
        "admin_listen": f"127.0.0.1:{plain}, 127.0.0.1:{tls} ssl"})
    cluster.audit_path = log_path + ".who"
    headers = {"Authorization": "Bearer writer-0123456789abcdef", "Content-Type": "application/json"}
    with Kept(tls, tls=client(tmp_path, "ann")) as kept:
        made = kept.ask("PUT", "/consumers/c", headers, "{}")
    assert made.status == 200, made
    line = line_of(cluster, made)
    assert (line["principal"], line["subject"]) == ("deploy", "CN=ann,O=Tests\\, Inc.")
    cluster.a.admin_port = plain
    assert cluster.a.admin("PUT", "/consumers/d", json={}).status == 401
    made = cluster.a.admin("PUT", "/consumers/d", json={}, headers=headers)
    assert made.status == 200, made
    assert (line_of(cluster, made)["principal"], line_of(cluster, made)["subject"]) == ("deploy", None)
    with open(cluster.audit_path, encoding="utf-8") as file:
        assert "writer-0123" not in file.read()
