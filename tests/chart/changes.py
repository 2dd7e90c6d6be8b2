"""Tables: what a change of values changes, and which values are refused with which words."""

import difflib

from facts import named
from rendering import objects, rendered, template

BELL = 'invalidation.redis={"host": "redis", "existingSecret": "bell", "signingKey": "sign"}'
CLOSED = 'networkPolicy={"enabled": true, "restrictEgress": true}'

# The whole difference that the switch of fast invalidation makes, beside the checksum of the settings.
SWITCH = """
+    fast_invalidation = redis
+    redis_host = redis
+    redis_port = 6379
+    - ports:
+        - {port: 6379, protocol: TCP}
+            - name: FRESHET_REDIS_PASSWORD
+              valueFrom:
+                secretKeyRef:
+                  name: bell
+                  key: password
+            - name: FRESHET_REDIS_SECRET
+              valueFrom:
+                secretKeyRef:
+                  name: bell
+                  key: sign
""".strip().splitlines()


def difference(before, after):
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---")) and "checksum/" not in line]


def switch_changes():
    """The lines that differ between off and on, order aside."""
    off = rendered("default", (BELL, CLOSED))
    on = rendered("default", (BELL, CLOSED, "invalidation.redis.enabled=true"))
    return sorted(difference(off, on))


# (what is changed, case, value, does the gateway's pod template change, is the migration another job)
CHANGES = [
    ("a setting", "default", 'config={"log_level": "debug"}', True, False),
    ("the switch", "default", 'invalidation.redis={"enabled": true, "host": "redis"}', True, False),
    ("a password", "passwords", 'database.password="other"', True, False),
    ("the image", "default", 'image.tag="0.2.0"', True, True),
    ("the database", "default", 'database.host="elsewhere"', True, True),
    ("the time the pods wait", "default", "migrations.waitSeconds=5", True, False),
    ("what a job may use", "default", 'migrations.resources={"limits": {"memory": "1Gi"}}', True, True),
    ("the number of pods", "default", "replicaCount=5", False, False),
    ("a label", "default", 'commonLabels={"team": "other"}', False, False),
    ("an annotation", "default", 'commonAnnotations={"note": "other"}', False, False),
    ("a service", "default", 'proxy.service.type="NodePort"', False, False),
    ("network policies", "default", "networkPolicy.enabled=true", False, False),
    ("metrics", "default", 'metrics={"enabled": true, "serviceMonitor": {"enabled": true}}', False, False),
    ("the disruption budget", "default", "podDisruptionBudget.maxUnavailable=2", False, False),
]


def gateway(items):
    return (named(items, "Deployment") + named(items, "DaemonSet"))[0]


def jobs(items):
    """Those of the release: a hook is made anew each time."""
    return {item["metadata"]["name"]: item for item in named(items, "Job") if "helm.sh/hook" not in item["metadata"].get("annotations", {})}


def compare(before, after, template_changes, job_changes):
    """Sentences of what is not as it should be after an upgrade from one to the other."""
    old, new = gateway(before), gateway(after)
    if (old["spec"]["template"] != new["spec"]["template"]) != template_changes:
        yield f"pods {'stay' if template_changes else 'roll'}"
    if old["spec"]["selector"] != new["spec"]["selector"]:
        yield "a selector changes"
    if (set(jobs(before)) != set(jobs(after))) != job_changes:
        yield f"the job {'stays' if job_changes else 'is another'}"
    for name in set(jobs(before)) & set(jobs(after)):
        if jobs(before)[name]["spec"] != jobs(after)[name]["spec"]:
            yield f"job {name} would have to be patched, which cannot be"


def change_complaints(case, value, template_changes, job_changes):
    return list(compare(objects(rendered(case)), objects(rendered(case, (value,))), template_changes, job_changes))


# (case, value, words of the refusal)
REFUSALS = [
    (None, 'database.host="a"', "database.existingSecret is required"),
    (None, 'database.existingSecret="a"', "database.host is required"),
    ("default", 'database.password="a"', "exclude each other"),
    ("default", "database.passwordless=true", "passwordless excludes"),
    ("default", "invalidation.redis.enabled=true", "invalidation.redis.host is required"),
    ("default", 'invalidation.redis={"password": "a", "existingSecret": "b"}', "exclude each other"),
    ("default", 'invalidation.redis.signingKey="a"', "signingKey names a key"),
    ("default", 'trust={"existingSecret": "a", "existingConfigMap": "b"}', "trust.existingSecret and trust.existingConfigMap"),
    ("default", 'proxy={"http": {"enabled": false}, "tls": {"enabled": false}}', "nothing would be served"),
    ("proxy", 'certificates.proxy={"enabled": true}', "certificates.proxy.enabled and proxy.tls.existingSecret"),
    ("admin", 'certificates.admin={"enabled": true}', "certificates.admin.enabled and admin.tls.existingSecret"),
    ("default", 'certificates.proxy={"enabled": true}', "certificates.proxy.issuerRef.name is required"),
    ("default", 'certificates.proxy={"enabled": true, "issuerRef": {"name": "a"}}', "certificates.proxy.dnsNames is required"),
    ("default", "admin.service.enabled=true", "puts the Admin API on the network"),
    ("admin", "admin.enabled=false", "needs admin.enabled"),
    ("admin-clients", "admin.tls.enabled=false", "admin.service would have no port"),
    ("admin-clients", "admin.http.enabled=true", "switch admin.http off or set admin.tokens"),
    ("default", 'admin.ingress={"enabled": true}', "need admin.service.enabled"),
    ("admin", "admin.tls.enabled=false", "admin.ingress.port is tls, but admin.tls is off"),
    ("tls-only", "proxy.ingress.enabled=true", "need proxy.service.enabled"),
    ("proxy", "proxy.httpRoute.parentRefs=[]", "proxy.httpRoute.parentRefs is required"),
    ("daemonset", "autoscaling.enabled=true", "needs kind: Deployment"),
    ("scaling", "autoscaling.minReplicas=11", "minReplicas is more"),
    ("default", "podDisruptionBudget.minAvailable=2", "forbids every eviction of 2 pods"),
    ("default", 'podDisruptionBudget.minAvailable="100%"', "forbids every eviction"),
    ("default", "podDisruptionBudget.maxUnavailable=0", "forbids every eviction"),
    ("passwords", 'migrations.mode="hook"', "use database.existingSecret"),
    ("hook", "migrations.argocd=true", "migrations.argocd is for mode job"),
    ("default", "metrics.serviceMonitor.enabled=true", "need metrics.enabled"),
    ("metrics", 'config={"plugins": ["key-auth"]}', "needs prometheus among config.plugins"),
    ("default", 'env={"FRESHET_PG_PASSWORD": "a"}', "env.FRESHET_PG_PASSWORD: the chart sets"),
    ("default", 'config={"loglevel": "debug"}', "config.loglevel: there is no such setting"),
    ("default", 'config={"pg_host": "a"}', "config.pg_host: is decided by database.host"),
    ("default", 'config={"fast_invalidation": "redis"}', "config.fast_invalidation: is decided by invalidation.redis.enabled"),
    ("default", 'config={"shutdown_delay": 3}', "config.shutdown_delay: is decided by drain.delaySeconds"),
    ("default", 'config={"client_ssl_cert_key": "-----BEGIN"}', "config.client_ssl_cert_key: secrets do not belong into config"),
    ("default", 'config={"log_level": "loud"}', "config.log_level: 'loud' is none of debug"),
    ("default", 'config={"supervisor": "maybe"}', "config.supervisor: 'maybe' is neither on nor off"),
    ("default", 'config={"mem_cache_size": "lots"}', "config.mem_cache_size: 'lots' is not a size"),
    ("default", 'config={"db_update_frequency": "often"}', "config.db_update_frequency: 'often' is not a number"),
    ("default", 'config={"db_update_frequency": 0.01}', "config.db_update_frequency: 0.01 is less than 0.05"),
    ("default", 'config={"db_fill_concurrency": 2000}', "config.db_fill_concurrency: 2000 is more than 1024"),
    ("default", 'config={"server_token": "a\\nb"}', "config.server_token: has more than one line"),
]

# Values that the schema refuses: (value, words).
SLIPS = [
    ("replicas=3", "replicas"),
    ('image={"tga": "1"}', "tga"),
    ('invalidation={"redis": {"enable": true}}', "enable"),
    ('invalidation.redis.enabled="yes"', "invalidation"),
    ('database.port="pg"', "port"),
    ("database.port=70000", "port"),
    ('migrations.mode="often"', "mode"),
    ("drain.marginSeconds=1", "marginSeconds"),
    ("proxy.http.containerPort=80", "containerPort"),
    ('image.digest="abc"', "digest"),
    ('kind="StatefulSet"', "kind"),
    ("listenAddresses=[]", "listenAddresses"),
]

# Values that are fine although they look odd.
GOOD = ['database.port="5433"', 'global={"anything": 1}', 'config={"log_level": null}', 'config={"audit_log": false}', "replicaCount=0"]


def refusal_complaint(case, value, words, **options):
    """None: it was refused with these words."""
    status, text = template(case, (value,), **options)
    text = " ".join(text.split())
    if status == 0:
        return "is taken"
    return None if words in text else f"is refused with: {text[-300:]}"


def grace(delay, timeout, margin):
    text = rendered("default", (f'drain={{"delaySeconds": {delay}, "timeoutSeconds": {timeout}, "marginSeconds": {margin}}}',))
    return gateway(objects(text))["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
