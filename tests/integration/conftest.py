"""Two nodes on a real PostgreSQL and Redis, for every integration test.

`cluster` lives as long as the session: private servers on free ports, an upstream, and the nodes A and B with fast
invalidation. Tests that kill or misconfigure things ask for `own_cluster`, a factory of clusters they may break.
"""

import os
import shutil
import tempfile

import pytest

import openapi
from support import Cluster, Postgres, Redis, Upstream, default_entities


# One question after the other, or questions about whole processes: TSan would see what it sees in the others.
IN_TURN = ("access_log", "admin_access", "admin_bodies", "admin_http", "admin_info", "answers", "audit", "bounds", "cache_endpoint",
           "checklist", "credentials", "crud_certificates", "crud_consumers", "crud_keys", "crud_monkey", "crud_nested", "crud_plugins",
           "crud_routes", "crud_services", "crud_upstreams", "crud_vaults", "dashboards", "declarative", "differential",
           "differential_answers", "dns", "etag", "file_log", "hostile_upstreams", "lifetimes", "log_level", "model_crud", "notify",
           "openapi", "paging", "plugin_acl", "plugin_basic_auth", "plugin_bot_detection", "plugin_correlation_id", "plugin_cors",
           "plugin_hmac_auth", "plugin_ip_restriction", "plugin_jwt", "plugin_opentelemetry", "plugin_rate_limiting",
           "plugin_request_size_limiting", "plugin_request_transformer", "plugin_response_ratelimiting", "plugin_response_transformer",
           "plugin_schemas", "plugin_zipkin", "program", "proxy_cache_admin", "redis_farm", "rolling", "schemas", "secrets", "slowness", "supervisor",
           "tags", "tls_upstream", "upgrade", "wire_checklist")


def pytest_configure(config):
    for mark in ("in_turn: nothing for TSan", "slow: needs more than a few seconds", "soak: runs for minutes"):
        config.addinivalue_line("markers", mark)


def pytest_collection_modifyitems(config, items):
    wanted = config.getoption("-m")
    for item in items:
        if item.path.stem.removeprefix("test_") in IN_TURN:
            item.add_marker(pytest.mark.in_turn)
        if "soak" in item.keywords and "soak" not in wanted:
            item.add_marker(pytest.mark.skip(reason="runs by tests/run soak"))


@pytest.fixture(autouse=True)
def answers_fit_the_document():
    """Every answer of an Admin API that the test has seen is as its OpenAPI document says."""
    yield
    found = openapi.take_deviations()
    assert not found, "\n".join(["answers that do not fit the OpenAPI document:", *found[:20]])


@pytest.fixture(scope="session")
def workspace():
    directory = tempfile.mkdtemp(prefix="freshet-test-")
    os.chmod(directory, 0o755)
    yield directory
    if os.environ.get("FRESHET_KEEP"):
        print("kept", directory)
    else:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(workspace):
    server = Postgres(os.path.join(workspace, "postgres"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(workspace):
    server = Redis(os.path.join(workspace, "redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def upstream():
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_cluster(workspace, postgres, redis, upstream):
    made = Cluster(os.path.join(workspace, "shared"), postgres, redis, upstream)
    made.start()
    yield made
    made.stop()
    made.check_logs()


@pytest.fixture
def cluster(shared_cluster):
    shared_cluster.ensure_running()
    yield shared_cluster


@pytest.fixture
def clean(cluster):
    """No entities before and after."""
    default_entities(cluster)
    yield
    default_entities(cluster)


@pytest.fixture
def own_cluster(workspace, upstream, request):
    """Makes clusters with servers of their own: own_cluster(redis=True, postgres=None, settings={...})."""
    made = []

    def make(redis=True, postgres=None, settings=None, names=("a", "b"), start=True):
        directory = tempfile.mkdtemp(prefix=request.node.name[:20], dir=workspace)
        os.chmod(directory, 0o755)
        database = postgres
        if database is None:
            database = Postgres(os.path.join(directory, "postgres"))
            database.start()
            made.append(database)
        channel = None
        if redis:
            channel = Redis(os.path.join(directory, "redis"))
            channel.start()
            made.append(channel)
        one = Cluster(directory, database, channel, upstream, settings or {}, names)
        made.append(one)
        if start:
            one.start()
        return one

    yield make
    for thing in reversed(made):
        thing.stop()
    for thing in made:
        if isinstance(thing, Cluster):
            thing.check_logs()
