"""What holds for the objects of every case. Each function of RULES yields a sentence per object that breaks its rule."""

import re

WORKLOADS = ("Deployment", "DaemonSet", "Job", "Pod")
LABELS = ("name", "instance", "version", "managed-by", "component", "part-of")
# Of the restricted Pod Security Standard.
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")


def pods(objects):
    """(name, metadata, spec, object) of every pod there would be."""
    for item in objects:
        if item["kind"] in WORKLOADS:
            template = item if item["kind"] == "Pod" else item["spec"]["template"]
            yield f"{item['kind']} {item['metadata']['name']}", template["metadata"], template["spec"], item


def containers(spec):
    return [*spec.get("initContainers", []), *spec["containers"]]


def named(objects, kind):
    return [item for item in objects if item["kind"] == kind]


def ours(item):
    return "helm.sh/chart" in item["metadata"].get("labels", {})


def restricted(objects):
    for name, _, spec, _ in pods(objects):
        pod = spec.get("securityContext", {})
        if any(spec.get(field) for field in HOST_FIELDS):
            yield f"{name} uses a namespace of its host"
        if pod.get("runAsUser") == 0:
            yield f"{name} runs as root"
        for volume in spec.get("volumes", []):
            if not set(volume) - {"name"} <= VOLUMES:
                yield f"{name} mounts {set(volume) - {'name'}}"
        for container in containers(spec):
            own = container.get("securityContext", {})
            where = f"{name}, container {container['name']}"
            if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
                yield f"{where} may gain privileges"
            if not {**pod, **own}.get("runAsNonRoot") or own.get("runAsUser") == 0:
                yield f"{where} may run as root"
            if own.get("capabilities", {}).get("drop") != ["ALL"] or set(own["capabilities"].get("add", ())) - {"NET_BIND_SERVICE"}:
                yield f"{where} has capabilities"
            if {**pod, **own}.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
                yield f"{where} has no seccomp profile"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{where} has a port of its host"


def no_token_and_no_links(objects):
    for name, _, spec, _ in pods(objects):
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name} gets a token of the API"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name} gets variables by names of services, which settings share"


def read_only_root(objects):
    for name, _, spec, _ in pods(objects):
        for container in containers(spec):
            if container["image"].rpartition("/")[2].startswith("freshet") and not container.get("securityContext", {}).get("readOnlyRootFilesystem"):
                yield f"{name}, container {container['name']} may write to its image"


def images_are_pinned(objects):
    for name, _, spec, _ in pods(objects):
        for container in containers(spec):
            if not re.search(r":(?!latest)[\w.-]+$|@sha256:\w{64}$", container["image"]):
                yield f"{name} runs {container['image']}"


def labels(objects):
    for item in filter(ours, objects):
        for label in LABELS:
            if f"app.kubernetes.io/{label}" not in item["metadata"]["labels"]:
                yield f"{item['kind']} {item['metadata']['name']} has no label {label}"
    for name, metadata, _, _ in pods(objects):
        if "helm.sh/chart" in metadata["labels"] and not name.startswith("Pod"):
            yield f"{name}: a version of the chart alone rolls its pods"


def selectors(objects):
    """They never change, and meet the pods they mean and no others."""
    templates = [(name, metadata["labels"]) for name, metadata, _, _ in pods(objects)]
    for item in objects:
        spec = item.get("spec") or {}
        selector = spec.get("selector") if item["kind"] == "Service" else (spec.get("selector") or spec.get("podSelector") or {}).get("matchLabels")
        if item["kind"] == "ServiceMonitor" or not selector or not ours(item):
            continue
        if set(selector) != {f"app.kubernetes.io/{label}" for label in ("name", "instance", "component")}:
            yield f"{item['kind']} {item['metadata']['name']} selects by {sorted(selector)}"
        kinds = {name.split()[0] for name, found in templates if selector.items() <= found.items()}
        if item["metadata"]["labels"]["app.kubernetes.io/component"] != "migrate" and kinds not in ({"Deployment"}, {"DaemonSet"}):
            yield f"{item['kind']} {item['metadata']['name']} selects pods of {sorted(kinds)}"


def ports_meet(objects):
    """Every name of a port that something refers to is one of the gateway's, and its number is listened on."""
    for item in named(objects, "Deployment") + named(objects, "DaemonSet"):
        gateway = item["spec"]["template"]["spec"]["containers"][0]
        there = {port["name"]: port["containerPort"] for port in gateway["ports"]}
        settings = settings_of(objects)
        for name, number in there.items():
            if not re.search(rf"0\.0\.0\.0:{number}\b", settings[f"{name.partition('-')[0]}_listen"]):
                yield f"port {name} {number} is not listened on"
        for service in filter(ours, named(objects, "Service")):
            for port in service["spec"]["ports"]:
                if port.get("targetPort") not in there and port["name"] in ("http", "tls", "metrics"):
                    yield f"Service {service['metadata']['name']} leads to port {port['targetPort']}"
        for policy in named(objects, "NetworkPolicy"):
            for rule in policy["spec"].get("ingress", []):
                for port in rule["ports"]:
                    if port["port"] not in there:
                        yield f"NetworkPolicy {policy['metadata']['name']} opens {port['port']}"
        for probe in ("startup", "liveness", "readiness"):
            if gateway[f"{probe}Probe"]["httpGet"]["port"] not in there:
                yield f"{probe} asks a port that is not there"


def settings_of(objects):
    for item in named(objects, "ConfigMap"):
        if "freshet.conf" in (item.get("data") or {}):
            return dict(line.split(" = ", 1) for line in item["data"]["freshet.conf"].splitlines())
    return {}


def only_the_proxy_and_health_are_open(objects):
    settings = settings_of(objects)
    admin_service = any(item["metadata"]["name"].endswith("-admin") for item in named(objects, "Service"))
    if not admin_service and re.search(r"0\.0\.0\.0|\[::\]", settings["admin_listen"]):
        yield "the Admin API listens on the network"


def grace_covers_the_drain(objects):
    settings = settings_of(objects)
    for item in named(objects, "Deployment") + named(objects, "DaemonSet"):
        grace = item["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        if grace < int(settings["shutdown_delay"]) + int(settings["shutdown_timeout"]) + 5:
            yield f"{item['kind']}: the grace period is {grace} s"


def one_variable_of_a_name(objects):
    for name, _, spec, _ in pods(objects):
        for container in containers(spec):
            names = [variable["name"] for variable in container.get("env", [])]
            if len(names) != len(set(names)):
                yield f"{name}, container {container['name']} has a variable twice"


def volumes_meet(objects):
    for name, _, spec, _ in pods(objects):
        there = {volume["name"] for volume in spec.get("volumes", [])}
        mounted = {mount["name"] for container in containers(spec) for mount in container.get("volumeMounts", [])}
        if there != mounted:
            yield f"{name}: volumes {sorted(there ^ mounted)} are mounted or there, not both"
        for container in containers(spec):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            if any(other.startswith(path + "/") for path in paths for other in paths):
                yield f"{name}: one directory is mounted within another"


def files_are_mounted(objects):
    """Every file of the chart's that the settings name."""
    for item in named(objects, "Deployment") + named(objects, "DaemonSet"):
        spec = item["spec"]["template"]["spec"]
        sources = {volume["name"]: volume for volume in spec["volumes"]}
        there = set()
        for mount in spec["containers"][0]["volumeMounts"]:
            source = sources[mount["name"]]
            there |= {f"{mount['mountPath']}/{part['path']}" for kind in ("secret", "configMap") for part in source.get(kind, {}).get("items", [])}
        for name, text in settings_of(objects).items():
            if text.startswith("/run/freshet/") and text not in there:
                yield f"{name}: {text} is not there"
        if "/etc/freshet/freshet.conf" not in there:
            yield "the settings are not there"


def secret_files_are_mounted(objects):
    for name, _, spec, _ in pods(objects):
        paths = {source["secret"]["items"][0]["path"] for volume in spec.get("volumes", []) for source in volume.get("projected", {}).get("sources", [])}
        for container in containers(spec):
            named_files = {variable["value"].rpartition("/") for variable in container.get("env", []) if variable["name"].endswith("_FILE")}
            mounted = {mount["mountPath"] for mount in container.get("volumeMounts", []) if mount["name"] == "secrets"}
            if {folder for folder, _, _ in named_files} != mounted or not {file for _, _, file in named_files} <= paths:
                yield f"{name}, container {container['name']} has no file for a secret, or one too many"


def values_begin_no_comment(objects):
    for name, text in settings_of(objects).items():
        if re.search(r"(?<!\\)#", text):
            yield f"{name} = {text} ends at its #"


def secrets_are_in_secrets(objects):
    for item in objects:
        if item["kind"] != "Secret" and re.search(r"p#ss|pg_password|redis_password|redis_secret", str(item)):
            yield f"{item['kind']} {item['metadata']['name']} has a password"


def names_fit(objects):
    for item in objects:
        if len(item["metadata"]["name"]) > 63:
            yield f"{item['kind']} {item['metadata']['name']} has a name of {len(item['metadata']['name'])}"


def one_object_of_a_name(objects):
    names = [(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in objects]
    for name in names:
        if names.count(name) > 1:
            yield f"{name} is there twice"


def jobs_end(objects):
    for name, metadata, spec, item in pods(objects):
        if item["kind"] == "Job":
            if spec["restartPolicy"] not in ("OnFailure", "Never"):
                yield f"{name} starts over for ever"
            if "ttlSecondsAfterFinished" in item["spec"] and item["spec"]["ttlSecondsAfterFinished"] != 3600:
                yield f"{name} goes away"
            if metadata["labels"]["app.kubernetes.io/component"] == "gateway":
                yield f"{name} looks like a gateway"


def pods_wait_for_the_schema(objects):
    for item in named(objects, "Deployment") + named(objects, "DaemonSet"):
        names = [container["name"] for container in item["spec"]["template"]["spec"]["initContainers"]]
        if names[-1] not in ("wait-for-schema", "up"):
            yield f"{item['kind']} starts whatever the schema is"


def the_database_ends_nobody(objects):
    for item in named(objects, "Deployment") + named(objects, "DaemonSet"):
        gateway = item["spec"]["template"]["spec"]["containers"][0]
        if gateway["livenessProbe"]["httpGet"]["path"] != "/status/live" or gateway["readinessProbe"]["httpGet"]["path"] != "/status/ready":
            yield "a probe asks something else"


def the_autoscaler_alone_counts(objects):
    if named(objects, "HorizontalPodAutoscaler") and "replicas" in named(objects, "Deployment")[0]["spec"]:
        yield "each upgrade would reset the number of pods"


def policies_are_narrow(objects):
    """Where there are policies: the job reaches names and Postgres, nobody reaches the job, and ways in have a peer, the proxy's aside."""
    settings = settings_of(objects)
    for policy in named(objects, "NetworkPolicy"):
        spec = policy["spec"]
        allowed = {port["port"] for rule in spec.get("egress", []) for port in rule.get("ports", [])}
        if policy["metadata"]["labels"]["app.kubernetes.io/component"] == "migrate":
            if allowed != {53, int(settings["pg_port"])} or spec.get("ingress") or set(spec["policyTypes"]) != {"Ingress", "Egress"}:
                yield f"a job may reach {sorted(allowed)}"
            continue
        if "Egress" in spec["policyTypes"]:
            needed = {53, int(settings["pg_port"])} | ({int(settings["redis_port"])} if "redis_port" in settings else set())
            if not needed <= allowed:
                yield f"a gateway cannot reach {sorted(needed - allowed)}"
        for rule in spec.get("ingress", []):
            if not rule.get("from") and not all(str(port["port"]).startswith("proxy-") for port in rule["ports"]):
                yield f"{rule['ports']} are open to everybody"
    components = {policy["metadata"]["labels"]["app.kubernetes.io/component"] for policy in named(objects, "NetworkPolicy")}
    if len(components) == 1:
        yield f"policies are for {components} only"


RULES = [the_autoscaler_alone_counts, policies_are_narrow, restricted, no_token_and_no_links, read_only_root, images_are_pinned, labels, selectors, ports_meet,
         only_the_proxy_and_health_are_open, grace_covers_the_drain, one_variable_of_a_name, volumes_meet, files_are_mounted, values_begin_no_comment, secret_files_are_mounted,
         secrets_are_in_secrets, names_fit, one_object_of_a_name, jobs_end, pods_wait_for_the_schema, the_database_ends_nobody]
