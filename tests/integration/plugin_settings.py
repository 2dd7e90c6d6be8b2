"""Plugins of the reference: which run, in descending priority; the least each has to be told; and whether it ever will run."""

RUNNING = ["zipkin", "bot-detection", "cors", "jwt", "key-auth", "basic-auth", "hmac-auth", "ip-restriction", "request-size-limiting", "acl", "rate-limiting",
           "response-ratelimiting", "request-transformer", "response-transformer", "proxy-cache", "opentelemetry", "prometheus", "http-log", "statsd",
           "datadog", "file-log", "udp-log", "tcp-log", "syslog", "request-termination", "correlation-id"]

LUA = "it runs Lua, which this gateway does not do (request-transformer and request-termination do much of what it is used for)"
ABSENT = "this gateway does not have it"
NEVER = {"pre-function": LUA, "post-function": LUA} | dict.fromkeys(
    ("aws-lambda", "azure-functions", "acme", "ldap-auth", "oauth2", "session", "grpc-gateway", "grpc-web", "loggly"), ABSENT)
LEAST = {
    "acl": {"allow": ["a"]}, "acme": {"account_email": "a@b.test"}, "aws-lambda": {}, "azure-functions": {"appname": "a", "functionname": "f"},
    "basic-auth": {}, "bot-detection": {}, "correlation-id": {}, "cors": {}, "datadog": {}, "file-log": {"path": "/tmp/log"}, "grpc-gateway": {},
    "grpc-web": {}, "hmac-auth": {}, "http-log": {"http_endpoint": "http://a.test"}, "ip-restriction": {"deny": ["10.0.0.0/8"]}, "jwt": {}, "key-auth": {},
    "ldap-auth": {"ldap_host": "a.test", "base_dn": "dc=a", "attribute": "cn"}, "loggly": {"key": "k"}, "oauth2": {"enable_implicit_grant": True},
    "opentelemetry": {"endpoint": "http://a.test/v1/traces"}, "post-function": {"access": ["x"]}, "pre-function": {"access": ["x"]}, "prometheus": {},
    "proxy-cache": {"strategy": "memory"}, "rate-limiting": {"minute": 5}, "request-size-limiting": {}, "request-termination": {}, "request-transformer": {},
    "response-ratelimiting": {"limits": {"video": {"minute": 5}}}, "response-transformer": {}, "session": {}, "statsd": {}, "syslog": {},
    "tcp-log": {"host": "a.test", "port": 1}, "udp-log": {"host": "a.test", "port": 1}, "zipkin": {},
}
IDLE = {name: config for name, config in LEAST.items() if name not in RUNNING}
